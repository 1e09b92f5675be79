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

	"github.com/activitylog/activitylog/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestStatements(t *testing.T) {
	const floor = "2026-01-01"
	all, everybody := Filter{tenant: "acme"}, Filter{tenant: schema.AllTenants}
	set := func(change func(*Filter)) Filter {
		f := all
		change(&f)
		return f
	}
	minute := hourMs / 60
	device := set(func(f *Filter) { f.Device = "d1" })
	page := func(f Filter, l Listing, after *key, skip int64, sp span) statement {
		l.Filter = f
		sp.received = floor
		rd := reader{listing: l, filter: l.narrow(after), after: after, skip: skip, aim: 101}
		return rd.statement(sp)
	}
	for name, q := range map[string]statement{
		"hours":              hoursOf(all, NewestFirst, floor),
		"hours-device":       hoursOf(device, OldestFirst, floor),
		"hours-window":       hoursOf(set(func(f *Filter) { f.Platform, f.Action, f.Start, f.End = "p", "a", base+1, base+hourMs+1 }), NewestFirst, floor),
		"list":               page(all, Listing{}, nil, 0, span{from: base}),
		"list-after":         page(all, Listing{Fields: Everything}, &key{base + 5, 7}, 0, span{from: base, to: base + hourMs}),
		"list-after-asc":     page(all, Listing{Order: OldestFirst}, &key{base + 5, 7}, 0, span{}),
		"list-device":        page(device, Listing{}, nil, 20, span{from: base, hours: []uint32{uint32(base / 1000)}}),
		"list-username":      page(set(func(f *Filter) { f.Username = "ann" }), Listing{}, nil, 0, span{}),
		"list-target":        page(set(func(f *Filter) { f.Targets[0], f.ActorID = schema.TargetMatch{Type: "task", ID: "1"}, "u" }), Listing{}, nil, 0, span{}),
		"list-target-id":     page(set(func(f *Filter) { f.Targets[0].ID = "1" }), Listing{}, nil, 0, span{}),
		"list-target-either": page(set(func(f *Filter) { f.Want(schema.TargetMatch{Type: schema.DeviceTarget, ID: "1", Else: "THING"}) }), Listing{}, nil, 0, span{}),
		"list-snapshot": (&reader{
			listing: Listing{Snapshot: true}, filter: all, stored: schema.Position{0: 17, 3: 4}, aim: 101,
		}).statement(span{received: floor}),
		"list-search":       page(set(func(f *Filter) { f.Search = "Two, words" }), Listing{}, nil, 0, span{}),
		"list-all-tenants":  page(everybody, Listing{}, nil, 0, span{from: base}),
		"hours-all-tenants": hoursOf(Filter{tenant: schema.AllTenants, others: &others{[]string{"b"}, []string{"2026-02-02"}}}, NewestFirst, floor),
		"count-all-tenants": countOf(set(func(f *Filter) { f.tenant, f.Device, f.Start = schema.AllTenants, "d", base+minute }), floor),
		"stats-all-tenants": tally{Statistics{Filter: everybody, By: ByDevice, Top: 10}, floor, false}.top(),
		"count":             countOf(all, floor),
		"count-kind":        countOf(set(func(f *Filter) { f.Platform, f.Action = "p", "a" }), floor),
		"count-device":      countOf(device, floor),
		"count-early-edge":  countOf(set(func(f *Filter) { f.Start = base + minute }), floor),
		"count-late-edge":   countOf(set(func(f *Filter) { f.Device, f.End = "d", base+minute }), floor),
		"count-two-edges":   countOf(set(func(f *Filter) { f.Start, f.End = base+minute, base+5*hourMs+minute }), floor),
		"count-in-an-hour":  countOf(set(func(f *Filter) { f.Start, f.End = base+minute, base+2*minute }), floor),
		"count-within":      countOf(set(func(f *Filter) { f.Device, f.Action, f.Start, f.End = "d", "a", base+1, base+2 }), floor),
		"export": (&Exporting{
			Snapshot: schema.Position{0: 17, 3: 4}, store: &Store{exportPages: exportDefaults}, export: Export{Filter: device}, at: Place{base + 5, 7},
		}).statement(set(func(f *Filter) { f.Device, f.floor = "d1", floor }), span{from: base, to: base + hourMs}),
		"tail":                 device.tailOf(piece{3, 17, -1, 21}, floor),
		"tail-begun":           all.tailOf(piece{3, 17, 5, 21}, floor),
		"stats":                tally{Statistics{Filter: all, By: ByAction, Top: 10}, floor, false}.top(),
		"stats-device":         tally{Statistics{Filter: all, By: ByDevice, Top: 10}, floor, false}.top(),
		"stats-device-kind":    tally{Statistics{Filter: set(func(f *Filter) { f.Platform, f.Start = "p", base+minute }), By: ByDevice, Top: 10}, floor, false}.top(),
		"stats-edges":          tally{Statistics{Filter: set(func(f *Filter) { f.Start, f.End = base+minute, base+5*hourMs+minute }), By: ByPlatform, Top: 10}, floor, false}.top(),
		"stats-direct":         tally{Statistics{Filter: set(func(f *Filter) { f.Start, f.End = base, base+hourMs }), By: ByDevice, Top: 10}, floor, true}.top(),
		"stats-target":         tally{Statistics{Filter: all, By: ByTargetType, Top: 10}, floor, false}.top(),
		"stats-series":         tally{Statistics{Filter: device, Top: 1, Interval: time.Hour}, floor, false}.series([]string{""}),
		"stats-series-entries": tally{Statistics{Filter: device, By: ByTargetType, Top: 1, Interval: 24 * time.Hour}, floor, false}.series([]string{"task"}),
	} {
		t.Run(name, func(t *testing.T) {
			if all := strings.HasSuffix(name, "-all-tenants"); all {
				if strings.Contains(q.text, "tenant = ") || wallOf(schema.AllTenants) != "{}" {
					t.Errorf("reads one tenant: %s", q.text)
				}
			} else {
				checkStatement(t, q)
			}
			golden(t, filepath.Join("testdata", name+".sql"), q)
		})
	}
}

func golden(t *testing.T, file string, q statement) {
	t.Helper()
	var b strings.Builder
	b.WriteString(strings.NewReplacer(" FROM ", "\nFROM ", " WHERE ", "\nWHERE ", " AND ", "\n  AND ", " ORDER BY ", "\nORDER BY ", " GROUP BY ", "\nGROUP BY ").Replace(q.text) + "\n")
	for _, a := range q.args {
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

// checkStatement holds that every table is read with the tenant's predicate, that parameters and arguments are the same set,
// and that no value is in the text.
func checkStatement(t *testing.T, q statement, values ...string) {
	t.Helper()
	reads := strings.Count(q.text, "FROM activity") + strings.Count(q.text, "FROM by_")
	if got := strings.Count(q.text, " WHERE tenant = {tenant:String}"); got != reads {
		t.Errorf("%d tables are read, %d with the tenant's predicate: %s", reads, got, q.text)
	}
	named := map[string]bool{}
	for _, m := range parameter.FindAllStringSubmatch(q.text, -1) {
		named[m[1]] = true
	}
	if len(named) != len(q.args) {
		t.Errorf("%d parameters, %d arguments: %s", len(named), len(q.args), q.text)
	}
	for _, a := range q.args {
		if !named[nameOf(a)] {
			t.Errorf("the argument %s is not in %s", nameOf(a), q.text)
		}
	}
	for _, v := range values {
		if len(v) > 12 && strings.Contains(q.text, v) {
			t.Errorf("the value %q is in the text: %s", v, q.text)
		}
	}
}
