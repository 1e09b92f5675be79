package query

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/visible"
	"github.com/activitylog/activitylog/schema"
)

var update = flag.Bool("update", false, "write the golden files")

func TestStatements(t *testing.T) {
	const floor = "2026-01-01"
	since := visible.Retention{GoneBefore: floor}.Since(time.UnixMilli(base))
	all, everybody := Filter{tenant: "acme", since: since}, Filter{tenant: schema.AllTenants, since: since}
	set := func(change func(*Filter)) Filter {
		f := all
		change(&f)
		return f
	}
	minute := hourMs / 60
	device := set(func(f *Filter) { f.Device = "d1" })
	page := func(f Filter, l Listing, after *Key, skip int64, sp span) db.Statement {
		l.Filter = f
		sp.received = floor
		g := gatherer{listing: l, filter: l.narrow(after), after: after, skip: skip, aim: 101}
		return g.statement(sp)
	}
	for name, q := range map[string]db.Statement{
		"hours":              hoursOf(all, NewestFirst),
		"hours-device":       hoursOf(device, OldestFirst),
		"hours-window":       hoursOf(set(func(f *Filter) { f.Platform, f.Action, f.Start, f.End = "p", "a", base+1, base+hourMs+1 }), NewestFirst),
		"list":               page(all, Listing{}, nil, 0, span{from: base}),
		"list-after":         page(all, Listing{Fields: Everything}, &Key{base + 5, 7}, 0, span{from: base, to: base + hourMs}),
		"list-after-asc":     page(all, Listing{Order: OldestFirst}, &Key{base + 5, 7}, 0, span{}),
		"list-device":        page(device, Listing{}, nil, 20, span{from: base, hours: []uint32{uint32(base / 1000)}}),
		"list-username":      page(set(func(f *Filter) { f.Username = "ann" }), Listing{}, nil, 0, span{}),
		"list-target":        page(set(func(f *Filter) { f.Targets[0], f.ActorID = schema.TargetMatch{Type: "task", ID: "1"}, "u" }), Listing{}, nil, 0, span{}),
		"list-target-id":     page(set(func(f *Filter) { f.Targets[0].ID = "1" }), Listing{}, nil, 0, span{}),
		"list-target-either": page(set(func(f *Filter) { f.Want(schema.TargetMatch{Type: schema.DeviceTarget, ID: "1", Else: "THING"}) }), Listing{}, nil, 0, span{}),
		"list-snapshot": (&gatherer{
			listing: Listing{Snapshot: true}, filter: all, snapshot: schema.Position{0: 17, 3: 4}, aim: 101,
		}).statement(span{received: floor}),
		"list-excluding": page(set(func(f *Filter) {
			f.Device, f.Not = "d", [MaxExclusions]Exclusion{{ByAction, "a"}, {ByPlatform, "p"}, {ByUsername, "ann"}, {ByTargetType, "task"}, {ByTargetType, schema.DeviceTarget}}
		}), Listing{}, nil, 0, span{}),
		"count-excluding":  countOf(set(func(f *Filter) { f.Not = [MaxExclusions]Exclusion{{ByAction, "a"}, {ByPlatform, "p"}} })),
		"stats-excluding":  statsQuery{Statistics{Filter: set(func(f *Filter) { f.Not = [MaxExclusions]Exclusion{{ByAction, "a"}} }), By: ByDevice, Top: 10, Contains: "SN"}, false}.topStatement(),
		"stats-minutes":    statsQuery{Statistics{Filter: all, By: ByPlatform, Top: 10, Interval: time.Minute}, false}.seriesStatement(nil),
		"list-search":      page(set(func(f *Filter) { f.Search = "Two, words" }), Listing{}, nil, 0, span{}),
		"list-all-tenants": page(everybody, Listing{}, nil, 0, span{from: base}),
		"hours-all-tenants": hoursOf(Filter{tenant: schema.AllTenants, since: visible.Retention{
			GoneBefore: floor, Others: map[string]visible.Retention{"b": {GoneBefore: "2026-02-02"}},
		}.Since(time.UnixMilli(base))}, NewestFirst),
		"count-all-tenants": countOf(set(func(f *Filter) { f.tenant, f.Device, f.Start = schema.AllTenants, "d", base+minute })),
		"stats-all-tenants": statsQuery{Statistics{Filter: everybody, By: ByDevice, Top: 10}, false}.topStatement(),
		"count":             countOf(all),
		"count-kind":        countOf(set(func(f *Filter) { f.Platform, f.Action = "p", "a" })),
		"count-device":      countOf(device),
		"count-early-edge":  countOf(set(func(f *Filter) { f.Start = base + minute })),
		"count-late-edge":   countOf(set(func(f *Filter) { f.Device, f.End = "d", base+minute })),
		"count-two-edges":   countOf(set(func(f *Filter) { f.Start, f.End = base+minute, base+5*hourMs+minute })),
		"count-in-an-hour":  countOf(set(func(f *Filter) { f.Start, f.End = base+minute, base+2*minute })),
		"count-within":      countOf(set(func(f *Filter) { f.Device, f.Action, f.Start, f.End = "d", "a", base+1, base+2 })),
		"export": (&Exporting{
			Snapshot: schema.Position{0: 17, 3: 4}, reader: &Reader{exports: &exports{pages: exportDefaults}}, export: Export{Filter: device}, at: Key{base + 5, 7},
		}).statement(device, span{from: base, to: base + hourMs}),
		"tail":                 device.tailOf(tailRange{3, 17, -1, 21}),
		"tail-begun":           all.tailOf(tailRange{3, 17, 5, 21}),
		"stats":                statsQuery{Statistics{Filter: all, By: ByAction, Top: 10}, false}.topStatement(),
		"stats-device":         statsQuery{Statistics{Filter: all, By: ByDevice, Top: 10}, false}.topStatement(),
		"stats-device-kind":    statsQuery{Statistics{Filter: set(func(f *Filter) { f.Platform, f.Start = "p", base+minute }), By: ByDevice, Top: 10}, false}.topStatement(),
		"stats-edges":          statsQuery{Statistics{Filter: set(func(f *Filter) { f.Start, f.End = base+minute, base+5*hourMs+minute }), By: ByPlatform, Top: 10}, false}.topStatement(),
		"stats-direct":         statsQuery{Statistics{Filter: set(func(f *Filter) { f.Start, f.End = base, base+hourMs }), By: ByDevice, Top: 10}, true}.topStatement(),
		"stats-target":         statsQuery{Statistics{Filter: all, By: ByTargetType, Top: 10}, false}.topStatement(),
		"stats-series":         statsQuery{Statistics{Filter: device, Top: 1, Interval: time.Hour}, false}.seriesStatement([]string{""}),
		"stats-series-entries": statsQuery{Statistics{Filter: device, By: ByTargetType, Top: 1, Interval: 24 * time.Hour}, false}.seriesStatement([]string{"task"}),
	} {
		t.Run(name, func(t *testing.T) {
			if all := strings.HasSuffix(name, "-all-tenants"); all {
				if strings.Contains(q.Text, "tenant = ") {
					t.Errorf("reads one tenant: %s", q.Text)
				}
			} else {
				checkStatement(t, q)
			}
			golden(t, filepath.Join("testdata", name+".sql"), q)
		})
	}
}

func golden(t *testing.T, file string, q db.Statement) {
	t.Helper()
	var b strings.Builder
	b.WriteString(strings.NewReplacer(" FROM ", "\nFROM ", " WHERE ", "\nWHERE ", " AND ", "\n  AND ", " ORDER BY ", "\nORDER BY ", " GROUP BY ", "\nGROUP BY ").Replace(q.Text) + "\n")
	for _, a := range q.Args {
		v := a.(driver.NamedValue)
		fmt.Fprintf(&b, "-- %s = %#v\n", v.Name, v.Value)
	}
	text := b.String()
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

var parameter = regexp.MustCompile(`\{(\w+):[^}]+\}`)

// checkStatement checks that every table is read with the tenant's predicate, that parameters and arguments are the same set,
// and that no value is in the text.
func checkStatement(t *testing.T, q db.Statement, values ...string) {
	t.Helper()
	reads := strings.Count(q.Text, "FROM activity") + strings.Count(q.Text, "FROM by_")
	if got := strings.Count(q.Text, " WHERE tenant = {tenant:String}"); got != reads {
		t.Errorf("%d tables are read, %d with the tenant's predicate: %s", reads, got, q.Text)
	}
	named := map[string]bool{}
	for _, m := range parameter.FindAllStringSubmatch(q.Text, -1) {
		named[m[1]] = true
	}
	if len(named) != len(q.Args) {
		t.Errorf("%d parameters, %d arguments: %s", len(named), len(q.Args), q.Text)
	}
	for _, a := range q.Args {
		if !named[a.(driver.NamedValue).Name] {
			t.Errorf("the argument %s is not in %s", a.(driver.NamedValue).Name, q.Text)
		}
	}
	for _, v := range values {
		if len(v) > 12 && strings.Contains(q.Text, v) {
			t.Errorf("the value %q is in the text: %s", v, q.Text)
		}
	}
}
