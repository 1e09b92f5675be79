package query

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// values returns an entry's values of the dimension.
func (d Dimension) values(e schema.Entry) []string {
	name := e.ActorName
	if name == "" {
		name = e.ActorID
	}
	one := map[Dimension]string{ByAction: e.Action, ByPlatform: e.Platform, ByDevice: e.Device, ByActor: e.ActorID, ByUsername: name}
	var all []string
	switch {
	case d == ByNothing:
		return []string{""}
	case d != ByTargetType:
		all = []string{one[d]}
	default:
		for _, t := range e.Targets {
			all = append(all, t.Type)
		}
		if e.Device != "" {
			all = append(all, schema.DeviceTarget)
		}
	}
	all = slices.DeleteFunc(all, func(v string) bool { return v == "" })
	slices.Sort(all)
	return slices.Compact(all)
}

// stats returns the expected result of Stats.
func (m *model) stats(q Statistics) Stats {
	counts, series := map[string]uint64{}, map[Group]uint64{}
	for _, e := range m.entries {
		if !q.Filter.matches(e) {
			continue
		}
		for _, v := range q.By.values(e) {
			if !strings.Contains(strings.ToLower(v), strings.ToLower(q.Contains)) {
				continue
			}
			counts[v]++
			if q.Interval != 0 {
				series[Group{Bucket: e.Timestamp - e.Timestamp%q.Interval.Milliseconds(), Value: v}]++
			}
		}
	}
	var out Stats
	for v, n := range counts {
		out.Groups = append(out.Groups, Group{0, v, n})
		out.Total += n
	}
	slices.SortFunc(out.Groups, groupOrder)
	out.Groups = out.Groups[:min(q.Top, len(out.Groups))]
	out.Other = out.Total
	top := out.Groups
	for _, g := range top {
		out.Other -= g.Count
	}
	if q.Interval != 0 {
		out.Groups = nil
		for g, n := range series {
			if slices.ContainsFunc(top, func(t Group) bool { return t.Value == g.Value }) {
				out.Groups = append(out.Groups, Group{g.Bucket, g.Value, n})
			}
		}
		slices.SortFunc(out.Groups, groupOrder)
	}
	return out
}

func groupOrder(a, b Group) int {
	return cmp.Or(cmp.Compare(a.Bucket, b.Bucket), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
}

func drawStatistics(t *rapid.T, f Filter) Statistics {
	q := Statistics{
		Filter: f, By: Dimension(rapid.IntRange(0, int(ByTargetType)).Draw(t, "by")), Top: rapid.IntRange(1, 4).Draw(t, "top"),
		Interval: rapid.SampledFrom(append([]time.Duration{0, 0}, Intervals...)).Draw(t, "interval"),
	}
	if q.By != ByNothing {
		q.Contains = rapid.SampledFrom([]string{"", "", "1", "OS", "zzz"}).Draw(t, "contains")
	}
	switch rapid.IntRange(0, 3).Draw(t, "filters") {
	case 0, 1: // what the rollups have
		q.Filter = drawFilter(t, f)
		q.Filter.Platform, q.Filter.Action, q.Filter.Device, q.Filter.ActorID, q.Filter.Username = "", "", "", "", ""
	default:
		q.Filter = drawFilter(t, f)
	}
	return q
}

// TestStatsAgainstModel counts random entries of two tenants by every dimension, before and after some are erased.
func TestStatsAgainstModel(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("8")
	}
	s, tables := openReader(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		tenants := [2]string{fmt.Sprintf("a%d", run), fmt.Sprintf("b%d", run)}
		m := &model{}
		entries := drawEntries(rt, tenants, 1)
		types := rapid.SliceOfN(rapid.SampledFrom([]string{"task", "o'\\\n\t\"dd", "task", schema.DeviceTarget}), 0, 3)
		for i := range entries {
			for j, kind := range types.Draw(rt, "targets") {
				entries[i].Targets = append(entries[i].Targets, schema.Target{Type: kind, ID: fmt.Sprint(j)})
			}
		}
		m.put(t, tables, entries)
		check := func() {
			q := drawStatistics(rt, filterOf(t, tenants[0]))
			got, err := s.Stats(t.Context(), q)
			if err != nil {
				rt.Fatalf("%+v: %v", q, err)
			}
			if diff := gocmp.Diff(m.stats(q), got); diff != "" {
				rt.Fatalf("%+v (-want +got):\n%s", q, diff)
			}
		}
		for range 6 {
			check()
		}
		gone := rapid.SampledFrom([]string{"post", "like"}).Draw(rt, "erased")
		if err := tables.Erase(t.Context(), fmt.Sprintf("tenant = '%s' AND action = '%s'", tenants[0], gone)); err != nil {
			rt.Fatal(err)
		}
		m.entries = slices.DeleteFunc(m.entries, func(e schema.Entry) bool { return e.Tenant == tenants[0] && e.Action == gone })
		for range 4 {
			check()
		}
	})
}

// TestStatsAndCounts checks that the count of a group equals the count with its value as a filter.
func TestStatsAndCounts(t *testing.T) {
	s, tables := openReader(t)
	var entries []schema.Entry
	for i := range 200 {
		e := schema.Entry{
			Tenant: "a", ID: uint64(i + 1), Timestamp: base + int64(i)*hourMs/7, Action: fmt.Sprint("a", i%3), Platform: fmt.Sprint("p", i%5), Device: fmt.Sprint("d", i%7),
			ActorID: fmt.Sprint("u", i%4), ActorName: []string{"", "o'\\\t\"dd\n"}[i%2], ActorKind: []string{"", "service"}[i%2], RequestID: fmt.Sprint("r", i%11),
			Targets: []schema.Target{{Type: "task", ID: "1"}, {Type: fmt.Sprint("t", i%2), ID: "2"}},
		}
		entries = append(entries, e)
	}
	tables.Put(t, entries...)
	for _, narrow := range []func(*Filter){
		func(*Filter) {},
		func(f *Filter) { f.ActorKind = "service" },
		func(f *Filter) { f.Device = "d3" },
		func(f *Filter) { f.Targets[0].Type = "t1" },
		func(f *Filter) { f.RequestID, f.Start = "r3", base+1 },
		func(f *Filter) { f.Search = "r3" },
		func(f *Filter) {
			f.Not = [MaxExclusions]Exclusion{{ByAction, "a1"}, {ByPlatform, "p2"}, {ByPlatform, "p3"}}
		},
		func(f *Filter) { f.Not = [MaxExclusions]Exclusion{{ByTargetType, "t1"}, {ByUsername, "u1"}} },
	} {
		for by, set := range map[Dimension]func(*Filter, string){
			ByNothing:    func(*Filter, string) {},
			ByAction:     func(f *Filter, v string) { f.Action = v },
			ByPlatform:   func(f *Filter, v string) { f.Platform = v },
			ByDevice:     func(f *Filter, v string) { f.Device = v },
			ByActor:      func(f *Filter, v string) { f.ActorID = v },
			ByUsername:   func(f *Filter, v string) { f.Username = v },
			ByTargetType: func(f *Filter, v string) { f.Want(schema.TargetMatch{Type: v}) },
		} {
			q := Statistics{Filter: filterOf(t, "a"), By: by, Top: MaxTop}
			narrow(&q.Filter)
			got, err := s.Stats(t.Context(), q)
			if err != nil || len(got.Groups) == 0 || got.Other != 0 {
				t.Fatalf("%+v: got %+v, %v", q, got, err)
			}
			for _, g := range got.Groups {
				f := q.Filter
				set(&f, g.Value)
				if n, err := s.Count(t.Context(), f); err != nil || n != g.Count {
					t.Errorf("%+v: the group has %d entries, the count of %+v is %d, %v", g, g.Count, f, n, err)
				}
			}
		}
	}
}

func TestStatsRefused(t *testing.T) {
	s, tables := openReader(t)
	f := filterOf(t, "a")
	for field, q := range map[string]Statistics{
		"by":         {Filter: f, By: ByTargetType + 1, Top: 1},
		"top":        {Filter: f, Top: MaxTop + 1},
		"interval":   {Filter: f, Top: 1, Interval: 2 * time.Minute},
		"contains":   {Filter: f, Top: 1, Contains: "x"},
		"start":      {Filter: Filter{tenant: "a", Match: schema.Match{Start: -1}}, Top: 1},
		"not action": {Filter: Filter{tenant: "a", Not: [MaxExclusions]Exclusion{{ByAction, ""}}}, Top: 1},
		"not device": {Filter: Filter{tenant: "a", Not: [MaxExclusions]Exclusion{{ByDevice, "\x00"}}}, Top: 1},
	} {
		if _, err := s.Stats(t.Context(), q); fieldOf(err) != field {
			t.Errorf("%+v: got %v, want a fault of %s", q, err, field)
		}
	}
	if _, err := s.Stats(t.Context(), Statistics{Top: 1}); api.Status(err) != 401 {
		t.Errorf("without a tenant: got %v", err)
	}
	const many = `INSERT INTO by_kind SELECT 'a', toDateTime(3600 * (number + 1), 'UTC'), '', 'x', today(), 0, 0, 1 FROM numbers(60000)`
	if err := tables.Conn.Exec(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stats(t.Context(), Statistics{Filter: f, Top: 1, Interval: time.Hour}); fieldOf(err) != "interval" {
		t.Errorf("60,000 buckets: got %v, want a fault of interval", err)
	}
	if got, err := s.Stats(t.Context(), Statistics{Filter: f, Top: 1, Interval: 24 * time.Hour}); err != nil || got.Total != 60000 || len(got.Groups) != 2501 {
		t.Errorf("2501 days: got %d entries in %d groups, %v", got.Total, len(got.Groups), err)
	}
}

func fieldOf(err error) string {
	var f *schema.FieldError
	errors.As(err, &f)
	if f == nil {
		return ""
	}
	return f.Field
}
