package block

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/activitylog/activitylog/schema/activitypb"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

const hourMillis = 3600 * 1000

// rows decodes b's wire form with ch-go and gives each row as text, by column name.
func rows(t *testing.T, b Block) []map[string]string {
	t.Helper()
	n, err := Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	parts := n.Parts
	wire, err := io.ReadAll(&parts)
	if err != nil || int64(len(wire)) != n.Bytes {
		t.Fatalf("got %d bytes, %v, want %d", len(wire), err, n.Bytes)
	}
	var block proto.Block
	var results proto.Results
	if err := block.DecodeRawBlock(proto.NewReader(bytes.NewReader(wire)), 0, results.Auto()); err != nil {
		t.Fatalf("decode: %v", err)
	}
	out := make([]map[string]string, block.Rows)
	for _, c := range results {
		for i := range out {
			if out[i] == nil {
				out[i] = map[string]string{}
			}
			out[i][c.Name] = cell(t, c.Data, i)
		}
	}
	return out
}

func cell(t *testing.T, c proto.ColResult, i int) string {
	t.Helper()
	switch auto := c.(type) {
	case *proto.ColAuto:
		return cell(t, auto.Data, i)
	case interface{ Row(int) string }:
		return auto.Row(i)
	case interface{ Row(int) uint64 }:
		return fmt.Sprint(auto.Row(i))
	case interface{ Row(int) int64 }:
		return fmt.Sprint(auto.Row(i))
	case interface{ Row(int) uint16 }:
		return fmt.Sprint(auto.Row(i))
	case interface{ Row(int) []string }:
		return fmt.Sprintf("%q", auto.Row(i))
	case *proto.ColDateTime64:
		return fmt.Sprint(int64(auto.Data[i]))
	case *proto.ColDateTime:
		return fmt.Sprint(uint32(auto.Data[i]))
	case *proto.ColDate:
		return fmt.Sprint(uint16((*auto)[i]))
	}
	t.Fatalf("no way to read a %T", c)
	return ""
}

func row(tenant string, change func(*Row)) *Row {
	r := &Row{
		Entry:  &activitypb.Entry{Timestamp: 3*hourMillis + 5, Action: "login", Platform: "ios", Device: "SN-1", ActorId: "u1", Targets: []string{"door\x001", "room\x002", "door\x003"}},
		Tenant: tenant, ID: 77, ReceivedAt: 20_000*dayMillis + 1, Location: Location{Offset: 9, Index: 4},
	}
	if change != nil {
		change(r)
	}
	return r
}

func TestEntriesSurviveTheWire(t *testing.T) {
	var b Entries
	for range 2 { // the second time in the memory of the first
		b.Reset(3)
		b.Append(row("a", func(r *Row) {
			r.Details, r.Extra, r.Detail, r.ActorKind = []byte(`{"x":1}`), []byte{1, 2}, strings.Repeat("d", 300), "business"
		}))
		b.Append(row("b", func(r *Row) { r.Targets, r.Platform, r.ID = nil, "", 78 }))
	}
	got := rows(t, &b)
	want := []map[string]string{
		{
			"tenant": "a", "timestamp": "10800005", "id": "77", "received_at": "1728000000001", "action": "login", "platform": "ios", "device": "SN-1",
			"actor_id": "u1", "actor_name": "", "actor_kind": "business", "targets": `["door\x001" "room\x002" "door\x003"]`, "request_id": "", "detail": strings.Repeat("d", 300),
			"details": `{"x":1}`, "extra": "\x01\x02", "kpart": "3", "koff": "9", "kidx": "4",
		},
		{
			"tenant": "b", "timestamp": "10800005", "id": "78", "received_at": "1728000000001", "action": "login", "platform": "", "device": "SN-1",
			"actor_id": "u1", "actor_name": "", "actor_kind": "", "targets": "[]", "request_id": "", "detail": "", "details": "", "extra": "", "kpart": "3", "koff": "9", "kidx": "4",
		},
	}
	for i := range want {
		if !maps.Equal(got[i], want[i]) {
			t.Errorf("row %d: got %v, want %v", i, got[i], want[i])
		}
	}
	if b.Location(1) != (Location{9, 4}) {
		t.Errorf("Location(1) = %v, want {9 4}", b.Location(1))
	}
}

func TestDictionariesOfEverySize(t *testing.T) {
	for _, n := range []int{1, 256, 257, 70_000} {
		var b Entries
		b.Reset(0)
		for i := range n {
			b.Append(row("t", func(r *Row) { r.Action = fmt.Sprint("a", i) }))
		}
		got := rows(t, &b)
		for i := range n {
			if got[i]["action"] != fmt.Sprint("a", i) {
				t.Fatalf("%d values: row %d is %q", n, i, got[i]["action"])
			}
		}
	}
}

func TestColumnsOfDifferentLengthsAreRefused(t *testing.T) {
	var b Entries
	b.Reset(0)
	b.Append(row("t", nil))
	b.device.append("one more")
	if _, err := Encode(&b); err == nil || !strings.Contains(err.Error(), "device") {
		t.Errorf("Encode() = %v, want an error that names the column", err)
	}
}

func TestKinds(t *testing.T) {
	var k Kinds
	k.Reset()
	k.Add(row("a", nil), 1)
	k.Add(row("a", nil), 1)
	k.Add(row("a", func(r *Row) { r.Action = "gone" }), 1)
	k.Add(row("a", func(r *Row) { r.Action = "gone" }), -1)
	k.Add(row("a", func(r *Row) { r.ReceivedAt -= 7 * dayMillis }), 1)
	blocks := k.Blocks(2, 99)
	if len(blocks) != 2 {
		t.Fatalf("got %d blocks, want 2 weeks", len(blocks))
	}
	for i, want := range []map[string]string{
		{"tenant": "a", "hour": "10800", "platform": "ios", "action": "login", "received": "19993", "kpart": "2", "koff_to": "0", "n": "1"},
		{"tenant": "a", "hour": "10800", "platform": "ios", "action": "login", "received": "20000", "kpart": "2", "koff_to": "99", "n": "2"},
	} {
		if got := rows(t, blocks[i]); len(got) != 1 || !maps.Equal(got[0], want) {
			t.Errorf("week %d: got %v, want %v", i, got, want)
		}
	}
}

func TestEntities(t *testing.T) {
	var e Entities
	e.Reset()
	e.Add(row("a", nil), 1)
	e.Add(row("a", func(r *Row) { r.ActorName = "ann" }), 1)
	e.Add(row("a", func(r *Row) { r.Device, r.ActorId, r.Targets = "", "", nil }), 1)
	got := map[string]string{}
	blocks := e.Blocks(2, 99, 5)
	for _, r := range rows(t, blocks[0]) {
		got[r["kind"]+" "+r["entity"]] = r["n"] + " " + r["koff_to"] + " " + r["tenant"] + " " + r["hour"] + " " + r["received"]
	}
	want := map[string]string{
		"device SN-1": "2 0 a 10800 20000", "actor u1": "2 0 a 10800 20000", "name u1": "1 0 a 10800 20000", "name ann": "1 0 a 10800 20000",
		"target door": "2 0 a 10800 20000", "target room": "2 0 a 10800 20000", " 2": "0 99  0 20000",
	}
	if len(blocks) != 1 || !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The server sorts what does not come in the order of the table.
func TestEntitiesComeInTheOrderOfTheTable(t *testing.T) {
	var e Entities
	for seed := range uint64(3) {
		e.Reset()
		r := rand.New(rand.NewPCG(seed, 1))
		sums, want := map[string]int64{}, map[string]int64{}
		for range 5000 {
			device, user, tenant := fmt.Sprint("device-", r.IntN(300)), fmt.Sprint("u", r.IntN(40)), fmt.Sprint("t", r.IntN(12))
			hour, day := int64(r.IntN(30)), int64(19_990+r.IntN(2))
			e.Add(row(tenant, func(row *Row) {
				row.Device, row.ActorId, row.Targets = device, user, nil
				row.Timestamp, row.ReceivedAt = hour*hourMillis+7, day*dayMillis+1
			}), 1)
			want[fmt.Sprintf("%s device %s %d %d", tenant, device, hour*3600, day)]++
		}
		for _, b := range e.Blocks(3, 9, 5) {
			before := ""
			for _, r := range rows(t, b) {
				at := fmt.Sprintf("%-4s %-8s %-12s %8s %s", r["tenant"], r["kind"], r["entity"], r["hour"], r["received"])
				if at < before {
					t.Fatalf("%q comes after %q", at, before)
				}
				before = at
				if r["kind"] == tables.KindDevice.String() {
					n, _ := strconv.ParseInt(r["n"], 10, 64)
					sums[fmt.Sprintf("%s device %s %s %s", r["tenant"], r["entity"], r["hour"], r["received"])] += n
				}
			}
		}
		if !maps.Equal(sums, want) {
			t.Errorf("seed %d: the counts differ: got %d groups, want %d", seed, len(sums), len(want))
		}
	}
}

func TestEntitiesOfNothingAreTheWatermark(t *testing.T) {
	var e Entities
	e.Reset()
	got := rows(t, e.Blocks(7, 12, 20_001)[0])
	want := map[string]string{"tenant": "", "kind": "", "entity": "7", "hour": "0", "received": "20001", "koff_to": "12", "n": "0"}
	if len(got) != 1 || !maps.Equal(got[0], want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEntitiesCountAsAMapDoes(t *testing.T) {
	var e Entities
	for range 2 {
		e.Reset()
		want := map[string]int64{}
		for i := range 50_000 {
			device := fmt.Sprint("d", i*i%9973)
			e.Add(row("t", func(r *Row) { r.Device, r.ActorId, r.Targets = device, "", nil }), 1)
			want[device]++
		}
		for _, r := range rows(t, e.Blocks(0, 1, 1)[0]) {
			if r["kind"] == tables.KindDevice.String() && r["n"] != fmt.Sprint(want[r["entity"]]) { // all in one hour
				t.Fatalf("%s: got %s, want %d", r["entity"], r["n"], want[r["entity"]])
			}
			delete(want, r["entity"])
		}
		if len(want) != 0 {
			t.Fatalf("got none of %d devices, want all", len(want))
		}
	}
}

func TestWeek(t *testing.T) {
	for ms, want := range map[int64]int64{0: 0, 3 * dayMillis: 0, 4 * dayMillis: 4, 10*dayMillis + dayMillis - 1: 4, 11 * dayMillis: 11} {
		if got := Week(ms); got != want {
			t.Errorf("Week(%d) = %d, want %d", ms, got, want)
		}
	}
}

func TestKindsCountAsAMapDoes(t *testing.T) {
	var k Kinds
	for range 2 {
		k.Reset()
		want := map[string]int64{}
		for i := range 20_000 {
			hour, platform, action := int64(i%97), fmt.Sprint("p", i%31), fmt.Sprint("a", i*i%311)
			k.Add(row("t", func(r *Row) { r.Timestamp, r.Platform, r.Action = hour*hourMillis, platform, action }), 1)
			want[fmt.Sprint(hour*3600, platform, action)]++
		}
		for _, r := range rows(t, k.Blocks(0, 1)[0]) {
			name := r["hour"] + r["platform"] + r["action"]
			if r["n"] != fmt.Sprint(want[name]) {
				t.Fatalf("%s: got %s, want %d", name, r["n"], want[name])
			}
			delete(want, name)
		}
		if len(want) != 0 {
			t.Fatalf("got none of %d groups, want all", len(want))
		}
	}
}
