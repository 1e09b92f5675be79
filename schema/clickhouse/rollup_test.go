package clickhouse

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/schema/activitypb"
)

func TestKindsAreInTheOrderOfTheirNames(t *testing.T) {
	for k := KindWatermark + 1; k < endOfKinds; k++ {
		if (k - 1).String() >= k.String() {
			t.Errorf("kind %q comes before %q, want them in the order of by_entity", k-1, k)
		}
	}
}

// rollupCases lists entries with the expected rows of by_entity, written by hand.
var rollupCases = map[string]struct {
	entry *activitypb.Entry
	want  []string
}{
	"nothing":                        {&activitypb.Entry{}, nil},
	"device":                         {&activitypb.Entry{Device: "SN-1"}, []string{"device SN-1"}},
	"actor without a name":           {&activitypb.Entry{ActorId: "u1"}, []string{"actor u1", "name u1"}},
	"name without an actor":          {&activitypb.Entry{ActorName: "ann"}, []string{"name ann"}},
	"actor with a name":              {&activitypb.Entry{ActorId: "u1", ActorName: "ann"}, []string{"actor u1", "name ann"}},
	"one target":                     {&activitypb.Entry{Targets: []string{"DOOR\x001"}}, []string{"target DOOR"}},
	"targets of two types":           {&activitypb.Entry{Targets: []string{"ROOM\x002", "DOOR\x001"}}, []string{"target DOOR", "target ROOM"}},
	"two targets of a type":          {&activitypb.Entry{Targets: []string{"DOOR\x001", "DOOR\x002"}}, []string{"target DOOR"}},
	"the same target twice":          {&activitypb.Entry{Targets: []string{"DOOR\x001", "ROOM\x002", "DOOR\x001"}}, []string{"target DOOR", "target ROOM"}},
	"types that begin alike":         {&activitypb.Entry{Targets: []string{"DOORS\x001", "DOOR\x001"}}, []string{"target DOOR", "target DOORS"}},
	"a NUL within a target's id":     {&activitypb.Entry{Targets: []string{"DOOR\x001\x002"}}, []string{"target DOOR"}},
	"a device and a target DEVICE":   {&activitypb.Entry{Device: "SN-1", Targets: []string{"DEVICE\x00SN-1"}}, []string{"device SN-1", "target DEVICE"}},
	"all alike":                      {&activitypb.Entry{Device: "x", ActorId: "x", ActorName: "x", Targets: []string{"x\x00x"}}, []string{"actor x", "device x", "name x", "target x"}},
	"a target without a type":        {&activitypb.Entry{Targets: []string{"\x001"}}, nil},
	"no entity but platform, action": {&activitypb.Entry{Platform: "ios", Action: "login"}, nil},
}

func TestEntitiesInGo(t *testing.T) {
	for name, c := range rollupCases {
		if got := entitiesOf(c.entry); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func entitiesOf(e *activitypb.Entry) (out []string) {
	for k := KindActor; k < KindTarget; k++ {
		if name := k.Value(e); name != "" {
			out = append(out, k.String()+" "+name)
		}
	}
	for i := range e.Targets {
		if name, counts := TargetType(e.Targets, i); counts {
			out = append(out, KindTarget.String()+" "+name)
		}
	}
	slices.Sort(out) // of several types the order is the targets'
	return out
}

// TestTheEngineCountsAsGoDoes compares the rule in SQL with the rule in Go and with the cases.
func TestTheEngineCountsAsGoDoes(t *testing.T) {
	opts, conn := fresh(t)
	if _, err := Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	for name, c := range rollupCases {
		insertEntry(t, conn, name, c.entry)
	}
	for _, r := range Rollups {
		if err := conn.Exec(t.Context(), r.Add("koff = 7")); err != nil {
			t.Fatalf("%s: %v", r.Table, err)
		}
	}
	got := map[string][]string{}
	for _, row := range rowsOf(t, conn, "SELECT tenant, concat(kind, ' ', entity), n, koff_to, hour, received FROM by_entity FINAL") {
		got[row.tenant] = append(got[row.tenant], row.what)
		if row.n != 2 || row.watermark != 0 {
			t.Errorf("%s: %s counts %d up to %d, want 2 up to 0", row.tenant, row.what, row.n, row.watermark)
		}
		if row.hour != time.Unix(int64(Hour(entryTime)), 0).UTC() || row.received.Unix()/86400 != int64(Day(receiveTime)) {
			t.Errorf("%s: got the hour %v and the day %v", row.tenant, row.hour, row.received)
		}
	}
	for name, c := range rollupCases {
		slices.Sort(got[name])
		if !slices.Equal(got[name], c.want) {
			t.Errorf("%s: the engine counts %q, want %q", name, got[name], c.want)
		}
		if inGo := entitiesOf(c.entry); !slices.Equal(got[name], inGo) {
			t.Errorf("%s: the engine counts %q, Go %q", name, got[name], inGo)
		}
	}
	kinds := rowsOf(t, conn, "SELECT tenant, concat(platform, ' ', action), n, koff_to, hour, received FROM by_kind FINAL")
	if len(kinds) != len(rollupCases) {
		t.Errorf("got %d groups of by_kind, want %d", len(kinds), len(rollupCases))
	}
	for _, r := range Rollups {
		if err := conn.Exec(t.Context(), r.Subtract("koff = 7")); err != nil {
			t.Fatalf("%s: %v", r.Table, err)
		}
		var left uint64
		if err := conn.QueryRow(t.Context(), "SELECT count() FROM (SELECT sum(n) AS left FROM "+r.Table+" GROUP BY "+r.Key()+") WHERE left != 0").Scan(&left); err != nil {
			t.Fatal(err)
		}
		if left != 0 {
			t.Errorf("%s: got %d groups left after the entries have been subtracted, want none", r.Table, left)
		}
	}
}

var (
	receiveTime = time.Now().Truncate(time.Second).UnixMilli()
	entryTime   = receiveTime - 26*hourMillis - 1234
)

// insertEntry stores e twice, under a tenant of its own.
func insertEntry(t *testing.T, conn clickhouse.Conn, tenant string, e *activitypb.Entry) {
	t.Helper()
	const insert = `INSERT INTO activity (tenant, timestamp, id, received_at, action, platform, device, actor_id, actor_name, targets, kpart, koff, kidx)
SELECT {tenant:String}, fromUnixTimestamp64Milli({at:Int64}, 'UTC'), number, fromUnixTimestamp64Milli({received:Int64}, 'UTC'),
  {action:String}, {platform:String}, {device:String}, {actor:String}, {name:String}, {targets:Array(String)}, 3, 7, number FROM numbers(2)`
	targets := e.Targets
	if targets == nil {
		targets = []string{}
	}
	err := conn.Exec(t.Context(), insert, clickhouse.Named("tenant", tenant), clickhouse.Named("at", entryTime), clickhouse.Named("received", receiveTime),
		clickhouse.Named("action", e.Action), clickhouse.Named("platform", e.Platform), clickhouse.Named("device", e.Device),
		clickhouse.Named("actor", e.ActorId), clickhouse.Named("name", e.ActorName), clickhouse.Named("targets", targets))
	if err != nil {
		t.Fatalf("%s: %v", tenant, err)
	}
}

type rollupRow struct {
	tenant, what   string
	n              int64
	watermark      uint64
	hour, received time.Time
}

func rowsOf(t *testing.T, conn clickhouse.Conn, query string) (out []rollupRow) {
	t.Helper()
	rows, err := conn.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var r rollupRow
		if err := rows.Scan(&r.tenant, &r.what, &r.n, &r.watermark, &r.hour, &r.received); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(out, func(a, b rollupRow) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return out
}
