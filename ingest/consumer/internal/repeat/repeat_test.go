package repeat

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

func TestBlocksSeeRepetitions(t *testing.T) {
	var b Blocks
	const second = schema.IDBlock
	for i, c := range []struct {
		id   uint64
		want bool
	}{
		{5, false}, {6, false}, {6, true}, {5, true}, {second + 1, false}, {9, false}, {second + 1, true}, {second + 2, false}, {8, true},
	} {
		if got := b.Repeated(c.id); got != c.want {
			t.Errorf("step %d: Repeated(%d) = %v, want %v", i, c.id, got, c.want)
		}
	}
}

func TestBlocksSurviveTheirEncoding(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var b Blocks
	for range 5000 {
		b.Repeated(r.Uint64N(1 << r.IntN(54)))
		b.Repeated(r.Uint64N(schema.MaxID + 1))
		state := State{schemakafka.Commit{Last: 1 << 60, Watermark: 1<<60 + 1, Day: 40000, Origin: 1<<32 - 1, Epochs: 255}, &b}
		text := state.Encode()
		if len(text) >= 4096 {
			t.Fatalf("got %d bytes of metadata, want less than 4096", len(text))
		}
		got, err := Parse(text)
		if err != nil || !slices.Equal(got.Blocks.seen, b.seen) {
			t.Fatalf("Parse(%q) = %+v, %v, want %v", text, got, err, b)
		}
		if got.Blocks = &b; got != state {
			t.Fatalf("Parse(%q) = %+v, want %+v", text, got, state)
		}
	}
}

func TestCloneIsApart(t *testing.T) {
	var b Blocks
	b.Repeated(1)
	c := b.Clone()
	c.Repeated(2)
	if b.Repeated(2) {
		t.Error("got an id that only the copy has seen, want it to be new")
	}
}

// A commit of an older version can still be read: it has no log and no watermark of the tables.
func TestParseReadsTheFirstVersion(t *testing.T) {
	got, err := Parse("v1:17|1=a|2=1")
	if err != nil || got.Last != 17 || got.Watermark != schemakafka.None || got.Origin != 0 || got.Epochs != 1 || len(got.Blocks.seen) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err = Parse(""); err != nil || got.Last != schemakafka.None || got.Watermark != schemakafka.None || len(got.Blocks.seen) != 0 {
		t.Errorf("nothing: got %+v, %v", got, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"v3:1", "v1:", "v1:x", "v1:-2", "v1:1|", "v1:1|a", "v1:1|=", "v1:1|zzzzzzzzzz=1", "v1:1|1=1ekg", "1",
		"v2:1", "v2:1:2:3:4", "v2:1:2:3:4:5:6", "v2:1:2:3:4:0", "v2:1:2:3:zzzzzzzzz:1", "v2:-2:2:3:4:1", "v2:1:x:3:4:1", "v2:1:2:3:4:1|a",
	} {
		if got, err := Parse(text); err == nil || got.Last != schemakafka.None || len(got.Blocks.seen) != 0 {
			t.Errorf("Parse(%q) = %+v, %v, want nothing and an error", text, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("v1:-1|1=a|2=1")
	f.Add("v1:5")
	f.Add("v2:5:4:20000:abc:2|1=a")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(got.Encode())
		same := err == nil && slices.Equal(got.Blocks.seen, again.Blocks.seen)
		if again.Blocks = got.Blocks; !same || again != got {
			t.Errorf("Parse(%q) does not survive Encode: %+v, %+v, %v", text, got, again, err)
		}
	})
}

func key(tenant string, n byte, body uint64, at, offset int64) Key {
	return Key{Tenant: tenant, Hash: [16]byte{n}, Body: body, ReceivedAt: at, Place: Place{Offset: offset}}
}

func TestKeys(t *testing.T) {
	k := Keys{Window: time.Second, Max: 2}
	if k.Know(0) {
		t.Error("Know() before Load, want not to")
	}
	k.Load(0, []Key{key("a", 2, 1, 5000, 9), key("a", 1, 1, 4000, 8)})
	b := k.Batch()
	for i, c := range []struct {
		key                Key
		repeated, conflict bool
	}{
		{key("a", 1, 1, 4500, 10), true, false},
		{key("a", 1, 2, 4999, 10), true, true},
		{key("a", 1, 2, 5000, 11), false, false}, // the window is over
		{key("a", 1, 2, 5001, 12), true, false},
		{key("b", 2, 1, 5000, 13), false, false}, // another tenant's
		{key("a", 3, 1, 5000, 14), false, false},
	} {
		if repeated, conflict := b.Repeated(c.key); repeated != c.repeated || conflict != c.conflict {
			t.Errorf("step %d: Repeated() = %v, %v, want %v, %v", i, repeated, conflict, c.repeated, c.conflict)
		}
	}
	if again, _ := k.Batch().Repeated(key("a", 3, 1, 5000, 14)); again {
		t.Error("a batch that was not kept counts, want it not to")
	}
	b.Keep()
	for n, want := range map[byte]bool{1: false, 2: false, 3: true} { // 1 and 2 were dropped for newer keys
		if got, _ := k.Batch().Repeated(key("a", n, 1, 5001, 15)); got != want {
			t.Errorf("key %d after Keep: got %v, want %v", n, got, want)
		}
	}
}

// TestKeysAreTheSameAfterARestart checks that the keys in memory after a batch lead to the same decisions as newly loaded keys.
func TestKeysAreTheSameAfterARestart(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	live := Keys{Window: 50 * time.Millisecond, Max: 20}
	live.Load(0, nil)
	var stored []Key // newest first
	for offset := range int64(400) {
		restarted := Keys{Window: live.Window, Max: live.Max}
		restarted.Load(0, stored[:min(len(stored), live.Max)])
		a, b := live.Batch(), restarted.Batch()
		for range 1 + r.IntN(3) {
			k := key("t", byte(r.IntN(30)), 1, offset*3, offset)
			got, _ := a.Repeated(k)
			want, _ := b.Repeated(k)
			if got != want {
				t.Fatalf("offset %d: got %v from memory, %v after a restart", offset, got, want)
			}
			if !got {
				stored = slices.Insert(stored, 0, k)
			}
		}
		a.Keep()
	}
}

func TestKeyOf(t *testing.T) {
	x := &activitypb.Extra{EventKey: make([]byte, 16), BodyHash: 7, Layer: "x"}
	extra, err := x.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := KeyOf(extra); !ok || got.Body != 7 {
		t.Errorf("KeyOf() = %v, %v, want body 7", got, ok)
	}
	for _, bad := range [][]byte{nil, {1}, {0x3A, 1, 1}} {
		if got, ok := KeyOf(bad); ok {
			t.Errorf("KeyOf(%v) = %v, want none", bad, got)
		}
	}
}

// FuzzKeyOf checks that KeyOf finds the key that an Extra has, and no other.
func FuzzKeyOf(f *testing.F) {
	for _, x := range []*activitypb.Extra{{EventKey: make([]byte, 16), BodyHash: 7}, {EventKey: []byte{1}}, {Layer: "x"}} {
		extra, err := x.MarshalVT()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(extra)
	}
	f.Fuzz(func(t *testing.T, extra []byte) {
		got, ok := KeyOf(extra)
		var x activitypb.Extra
		err := x.UnmarshalVT(extra)
		if want := err == nil && len(x.EventKey) == 16; ok != want {
			t.Fatalf("KeyOf(%x) = %v, %v, want one: %v", extra, got, ok, want)
		}
		if ok && (!slices.Equal(got.Hash[:], x.EventKey) || got.Body != x.BodyHash) {
			t.Fatalf("KeyOf(%x) = %v, want that of %v", extra, got, &x)
		}
	})
}
