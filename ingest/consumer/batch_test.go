package consumer

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	"github.com/activitylog/activitylog/ingest/consumer/internal/early"
	"github.com/activitylog/activitylog/ingest/consumer/internal/repeat"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
)

// packed returns a record of chunks of n entries each.
func packed(t testing.TB, keyed bool, sizes ...int) []byte {
	t.Helper()
	value := schema.AppendRecordHeader(nil)
	var c schema.Chunk
	for i, n := range sizes {
		c.Reset("default", int64(1_700_000_000_000-i))
		for j := range n {
			e := entry(j)
			var key *schema.EventKey
			if keyed {
				key = &schema.EventKey{Hash: [16]byte{byte(j)}}
			}
			c.Add(&e, key)
		}
		c.Seal(uint64(1 + i*1000))
		value = schema.AppendChunk(value, &c)
	}
	return value
}

func packedCommand(t testing.TB, c *activitypb.Command) []byte {
	t.Helper()
	value, err := schema.AppendCommand(nil, c)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestInspect(t *testing.T) {
	for name, c := range map[string]struct {
		value []byte
		want  shape
	}{
		"one chunk":      {packed(t, false, 7), shape{entries: 7}},
		"chunks":         {packed(t, false, 7, 1, 20), shape{entries: 28}},
		"keyed":          {packed(t, true, 2, 3), shape{entries: 5, keyed: true, received: 1_699_999_999_999}},
		"command":        {packedCommand(t, &activitypb.Command{Tenant: "x", Before: 9}), shape{entries: 1, command: true}},
		"JSON":           {[]byte(`{"action":"x"}`), shape{entries: 1}},
		"framed":         {append([]byte{0, 0, 0, 0, 1, 0}, packed(t, false, 3)...), shape{entries: 3}},
		"empty":          {nil, shape{entries: 1}},
		"what it is not": {[]byte{0x12, 0xff, 1}, shape{entries: 1}},
	} {
		if got := inspect(c.value); got != c.want {
			t.Errorf("%s: inspect() = %+v, want %+v", name, got, c.want)
		}
	}
}

func TestSmall(t *testing.T) {
	for _, c := range [...]struct{ entries, bytes, want int }{
		{0, 0, 100}, {1, 100, 98}, {10, 100, 80}, {10, 4000, 20}, {50, 0, 0}, {1, 5000, 0}, {100, 9999, 0}, {500, 50_000, 0},
	} {
		if got := (limits{entries: 100, bytes: 10_000}).small(&batch{entries: c.entries, bytes: c.bytes}); got != c.want {
			t.Errorf("small() = %d for %d of 100 entries and %d of 10000 bytes, want %d", got, c.entries, c.bytes, c.want)
		}
	}
}

// FuzzInspect: inspect must see in a record what decoding finds.
func FuzzInspect(f *testing.F) {
	f.Add(packed(f, false, 3, 4))
	f.Add(packed(f, true, 2))
	f.Add(packedCommand(f, &activitypb.Command{Id: []byte("1"), Tenant: "x", Refs: []*activitypb.Ref{{Id: 1}}}))
	f.Add([]byte(`{"action":"x"}`))
	f.Add([]byte{0, 0, 0, 0, 1, 0, 8, 1})
	f.Fuzz(func(t *testing.T, value []byte) {
		got := inspect(value)
		var m activitypb.ActivityBatch
		if schema.DecodeRecord(value, &m) != nil {
			return
		}
		want := shape{command: m.Command != nil}
		for _, c := range m.Chunks {
			want.entries += len(c.Entries)
			if c.Keyed && (!want.keyed || c.ReceivedAt < want.received) {
				want.keyed, want.received = true, c.ReceivedAt
			}
		}
		want.entries = max(1, want.entries)
		if got != want {
			t.Errorf("inspect(%x) = %+v, decoded %+v", value, got, want)
		}
	})
}

// FuzzAssemble: no record may break a batch, and every try of the batch must give the same.
func FuzzAssemble(f *testing.F) {
	f.Add(packed(f, true, 3, 4))
	f.Add(packedCommand(f, &activitypb.Command{Id: []byte("1"), Tenant: "x"}))
	f.Add([]byte(`{"action":"x","timestamp":5,"receivedAt":6}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		b := newBatch(0)
		for i := range int64(2) {
			b.add(record{offset: i, at: 1, value: value}, inspect(value))
		}
		var tokens []string
		for range 2 {
			var a assembly
			a.reset(0, &repeat.Blocks{}, (&repeat.Keys{}).Batch(), nil, &early.Lookup{})
			a.add(b)
			tokens = append(tokens, fmt.Sprint(a.token("t", b), a.entries.Rows(), len(a.dead), a.outcomes))
			if _, err := block.Encode(&a.entries); err != nil {
				t.Fatal(err)
			}
			picked := 0
			a.pick(b, 0, a.entries.Rows(), func(r *block.Row) {
				if r.Location != a.entries.Location(picked) {
					t.Errorf("picked %v as row %d, want %v", r.Location, picked, a.entries.Location(picked))
				}
				picked++
			})
			if picked != a.entries.Rows() || a.counted.entities != picked || a.counted.kinds != picked {
				t.Errorf("picked %d and counted %v of %d rows", picked, a.counted, a.entries.Rows())
			}
		}
		if tokens[0] != tokens[1] {
			t.Errorf("two attempts differ: %s, %s", tokens[0], tokens[1])
		}
	})
}

func TestBatchBounds(t *testing.T) {
	l := limits{entries: 10, bytes: 100}
	entries := func(n int) shape { return shape{entries: n} }
	command := shape{entries: 1, command: true}
	for name, c := range map[string]struct {
		have []shape
		next shape
		size int
		want bool
	}{
		"first is always taken":        {nil, entries(1000), 5000, true},
		"fits":                         {[]shape{entries(9)}, entries(1), 10, true},
		"too many entries":             {[]shape{entries(9)}, entries(2), 10, false},
		"too many bytes":               {[]shape{entries(1)}, entries(1), 101, false},
		"command after entries":        {[]shape{entries(9)}, command, 10, true},
		"entries after a command":      {[]shape{command}, entries(1), 10, true},
		"too many after a command":     {[]shape{command}, entries(10), 10, false},
		"keys after a command":         {[]shape{command}, shape{entries: 1, keyed: true}, 10, false},
		"keys before a command":        {[]shape{{entries: 1, keyed: true}}, command, 10, true},
		"command after a command":      {[]shape{entries(1), command}, command, 10, true},
		"command that carries entries": {[]shape{command}, shape{entries: 5, command: true}, 10, true},
	} {
		b := newBatch(0)
		for i, s := range c.have {
			b.add(record{offset: int64(i)}, s)
		}
		if got := b.fits(c.next, bytes.Repeat([]byte{1}, c.size), l); got != c.want {
			t.Errorf("%s: fits() = %v, want %v", name, got, c.want)
		}
	}
	b, wide := newBatch(0), limits{entries: 10 * maxCommands, bytes: 100}
	for i := range int64(maxCommands) {
		b.add(record{offset: i}, command)
	}
	if b.fits(command, nil, wide) || !b.fits(entries(1), nil, wide) {
		t.Errorf("behind %d commands another one fits, or an entry does not", maxCommands)
	}
}

func TestTogether(t *testing.T) {
	cmd := func(tenant string, ids ...uint64) command {
		c := command{Command: &activitypb.Command{Tenant: tenant}}
		for _, id := range ids {
			c.Refs = append(c.Refs, &activitypb.Ref{Id: id})
		}
		return c
	}
	for name, c := range map[string]struct {
		commands []command
		want     int
	}{
		"one":                   {[]command{cmd("a", 1)}, 1},
		"different entries":     {[]command{cmd("a", 1), cmd("a", 2, 3), cmd("a", 4)}, 3},
		"the same entry":        {[]command{cmd("a", 1), cmd("a", 2), cmd("a", 3, 1)}, 2},
		"another tenant":        {[]command{cmd("a", 1), cmd("b", 2)}, 1},
		"everything is alone":   {[]command{cmd("a"), cmd("a", 2)}, 1},
		"everything comes next": {[]command{cmd("a", 1), cmd("a")}, 1},
		"a filter is alone":     {[]command{{Command: &activitypb.Command{Tenant: "a", Match: &activitypb.Match{Device: "d"}}}, cmd("a", 2)}, 1},
	} {
		if got := together(c.commands); got != c.want {
			t.Errorf("%s: together() = %d, want %d", name, got, c.want)
		}
	}
}

func TestRecoveryDecides(t *testing.T) {
	const received = 1_700_000_000_000
	b := newBatch(10)
	for i, first := range []uint64{100, 200, 300} { // offsets 10, 11, 12; two entries each
		var c schema.Chunk
		c.Reset("default", received)
		for j := range 2 {
			e := entry(j)
			c.Add(&e, nil)
		}
		c.Seal(first)
		value := schema.AppendChunk(schema.AppendRecordHeader(nil), &c)
		b.add(record{offset: 10 + int64(i), value: value}, inspect(value))
	}
	at := func(offset int64, index uint16) block.Location { return block.Location{Offset: offset, Index: index} }
	entry := func(id uint64) early.Identity { return early.Identity{ID: id, Received: received} }
	all := map[block.Location]early.Identity{
		at(10, 0): entry(100), at(10, 1): entry(101), at(11, 0): entry(200), at(11, 1): entry(201), at(12, 0): entry(300), at(12, 1): entry(301),
	}
	for name, c := range map[string]struct {
		rec                    recovery
		rows, entities, kinds  int
		clash                  bool
		recovered, erased, new int
	}{
		"cut off between rollups": {
			rec:   recovery{stored: all, entities: 12, kinds: 9},
			kinds: 6, recovered: 6,
		},
		"cut off before the rollups": {
			rec:      recovery{stored: all, entities: 9, kinds: 9},
			entities: 6, kinds: 6, recovered: 6,
		},
		"some deleted, some new": {
			rec:  recovery{stored: map[block.Location]early.Identity{at(10, 0): entry(100)}, entities: 10, kinds: 10},
			rows: 4, entities: 4, kinds: 4, recovered: 1, erased: 1, new: 4,
		},
		"another entry's location": {
			rec:   recovery{stored: map[block.Location]early.Identity{at(10, 0): entry(999)}, entities: 12, kinds: 12},
			clash: true, erased: 5,
		},
		"another entry with the id": {
			rec:   recovery{stored: map[block.Location]early.Identity{at(10, 0): {ID: 100, Received: received - 1}}, entities: 12, kinds: 12},
			clash: true, erased: 5,
		},
	} {
		var a assembly
		a.reset(0, &repeat.Blocks{}, (&repeat.Keys{}).Batch(), &c.rec, &early.Lookup{})
		a.add(b)
		if a.entries.Rows() != c.rows || a.counted.entities != c.entities || a.counted.kinds != c.kinds || a.clash != c.clash ||
			a.outcomes != (outcomes{stored: c.new, recovered: c.recovered, erased: c.erased}) {
			t.Errorf("%s: got %d rows, %+v, clash %v, %+v", name, a.entries.Rows(), a.counted, a.clash, a.outcomes)
		}
	}
}
