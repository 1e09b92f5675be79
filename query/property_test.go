package query

import (
	"cmp"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/words"
)

// model is the entries that the tables should have.
type model struct {
	entries []schema.Entry
}

func (m *model) matching(f Filter, order Order) []uint64 {
	var found []schema.Entry
	for _, e := range m.entries {
		if f.matches(e) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b schema.Entry) int {
		c := cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), cmp.Compare(a.ID, b.ID))
		if order == NewestFirst {
			return -c
		}
		return c
	})
	return ids(found)
}

func (f Filter) matches(e schema.Entry) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	name := e.ActorName
	if name == "" {
		name = e.ActorID
	}
	return e.Tenant == f.tenant && is(f.Platform, e.Platform) && is(f.Device, e.Device) && is(f.Action, e.Action) && is(f.ActorID, e.ActorID) &&
		is(f.Username, name) && is(f.ActorKind, e.ActorKind) && (f.NotActorKind == "" || f.NotActorKind != e.ActorKind) && is(f.RequestID, e.RequestID) &&
		hasTargets(f, e) && !f.leavesOut(e) && found(f.Search, e) && (f.Start == 0 || e.Timestamp >= f.Start) && (f.End == 0 || e.Timestamp <= f.End)
}

func (f Filter) leavesOut(e schema.Entry) bool {
	return slices.ContainsFunc(f.Not[:], func(x Exclusion) bool { return x != (Exclusion{}) && slices.Contains(x.By.values(e), x.Value) })
}

func hasTargets(f Filter, e schema.Entry) bool {
	has := slices.Clone(e.Targets)
	if e.Device != "" {
		has = append(has, schema.Target{Type: schema.DeviceTarget, ID: e.Device})
	}
	for _, want := range f.Targets {
		if want != (schema.TargetMatch{}) && !slices.ContainsFunc(has, func(t schema.Target) bool {
			return (want.Type == "" || want.Type == t.Type) && (want.ID == "" || want.ID == t.ID)
		}) {
			return false
		}
	}
	return true
}

func found(search string, e schema.Entry) bool {
	return search == "" || search == e.RequestID || words.Parse(search).Matches(e.Detail, e.Details)
}

// drawTime is within 30 hours, often on an hour's edge and often the same.
func drawTime(t *rapid.T, label string) int64 {
	return base + rapid.Int64Range(0, 30).Draw(t, label+" hour")*hourMs + rapid.SampledFrom([]int64{0, 1, hourMs / 2, hourMs - 1}).Draw(t, label+" ms")
}

func drawEntries(t *rapid.T, tenants [2]string, firstID int) []schema.Entry {
	n := rapid.IntRange(1, 40).Draw(t, "entries")
	out := make([]schema.Entry, n)
	maybe := func(label string, values ...string) string { return rapid.SampledFrom(values).Draw(t, label) }
	for i := range out {
		out[i] = schema.Entry{
			Tenant: maybe("tenant", tenants[0], tenants[0], tenants[1]), ID: uint64(firstID + i), Timestamp: drawTime(t, "entry"),
			Action: maybe("action", "post", "like"), Platform: maybe("platform", "", "x", "y"), Device: maybe("device", "", "d1", "d2"),
			ActorID: maybe("actor", "", "u1", "u2"), ActorName: maybe("name", "", "u1", "ann"), ActorKind: maybe("kind", "", "business"),
			RequestID: maybe("request", "", "r-1", "paid"), Detail: maybe("detail", "", "Paid twice", "paid-up"), Details: maybe("details", "", `{"why":"twice"}`),
		}
		for _, target := range []string{maybe("target", "", "task/1", "door/d2"), maybe("second target", "", "task/11", "DEVICE/d2")} {
			if kind, id, ok := strings.Cut(target, "/"); ok {
				out[i].Targets = append(out[i].Targets, schema.Target{Type: kind, ID: id})
			}
		}
	}
	return out
}

// conditions returns all conditions of filters except times.
var conditions = []func(*Filter){
	func(f *Filter) { f.Platform = "x" },
	func(f *Filter) { f.Action = "post" },
	func(f *Filter) { f.Device = "d1" },
	func(f *Filter) { f.ActorID = "u1" },
	func(f *Filter) { f.Username = "u1" },
	func(f *Filter) { f.ActorKind = "business" },
	func(f *Filter) { f.NotActorKind = "business" },
	func(f *Filter) { f.RequestID = "r-1" },
	func(f *Filter) { f.Search = "paid" },
	func(f *Filter) { f.Search = "TWICE, paid" },
	func(f *Filter) { f.Want(schema.TargetMatch{Type: "task"}) },
	func(f *Filter) { f.Want(schema.TargetMatch{Type: "task", ID: "1"}) },
	func(f *Filter) { f.Want(schema.TargetMatch{ID: "1"}) },
	func(f *Filter) { f.Want(schema.TargetMatch{ID: "d2"}) },
	func(f *Filter) { f.Want(schema.TargetMatch{Type: schema.DeviceTarget}) },
	func(f *Filter) { f.Want(schema.TargetMatch{Type: schema.DeviceTarget, ID: "d2"}) },
	func(f *Filter) { f.Exclude(Exclusion{ByPlatform, "x"}) },
	func(f *Filter) { f.Exclude(Exclusion{ByPlatform, "y"}); f.Exclude(Exclusion{ByAction, "like"}) },
	func(f *Filter) { f.Exclude(Exclusion{ByDevice, "d1"}) },
	func(f *Filter) { f.Exclude(Exclusion{ByActor, "u2"}) },
	func(f *Filter) { f.Exclude(Exclusion{ByUsername, "u1"}) },
	func(f *Filter) { f.Exclude(Exclusion{ByTargetType, "task"}) },
	func(f *Filter) { f.Exclude(Exclusion{ByTargetType, schema.DeviceTarget}) },
}

// drawFilter has up to three conditions; with more, hardly an entry would match.
func drawFilter(t *rapid.T, f Filter) Filter {
	for range rapid.IntRange(0, 3).Draw(t, "conditions") {
		conditions[rapid.IntRange(0, len(conditions)-1).Draw(t, "condition")](&f)
	}
	if rapid.Bool().Draw(t, "has start") {
		f.Start = drawTime(t, "start")
	}
	if rapid.Bool().Draw(t, "has end") {
		f.End = max(f.Start, drawTime(t, "end"))
	}
	return f
}

// TestPagesAgainstModel reads random listings page by page while entries come and go: entries that exist all the time are shown once, in
// order, and only matching entries are shown. Counts equal the model's. Two tenants share the tables.
func TestPagesAgainstModel(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("8") // a check takes 0.2 s of the engine
	}
	s, tables := openReader(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		tenants := [2]string{fmt.Sprintf("a%d", run), fmt.Sprintf("b%d", run)}
		m := &model{}
		for range rapid.IntRange(1, 2).Draw(rt, "batches") {
			m.put(t, tables, drawEntries(rt, tenants, len(m.entries)+1))
		}
		for range 4 {
			checkListing(t, rt, s, m, drawFilter(rt, filterOf(t, tenants[0])))
		}
		checkMoving(t, rt, s, tables, m, tenants)
	})
}

func (m *model) put(t *testing.T, tables *fixture.Database, entries []schema.Entry) {
	m.entries = append(m.entries, entries...)
	tables.Put(t, entries...)
}

// checkListing compares counts, pages by offset, and pages by cursor with the model.
func checkListing(t *testing.T, rt *rapid.T, s *Reader, m *model, f Filter) {
	order := rapid.SampledFrom([]Order{NewestFirst, OldestFirst}).Draw(rt, "order")
	want := m.matching(f, order)
	if n, err := s.Count(t.Context(), f); err != nil || n != uint64(len(want)) {
		rt.Fatalf("count %+v: got %d, %v, want %d", f, n, err, len(want))
	}
	l := Listing{Filter: f, Order: order, Limit: rapid.IntRange(1, 9).Draw(rt, "limit")}
	if got := allPages(t, s, l); !slices.Equal(got, want) {
		rt.Fatalf("pages of %+v: got %v, want %v", l, got, want)
	}
	offset := rapid.IntRange(0, len(want)).Draw(rt, "offset")
	l.Offset = int64(offset)
	page, err := s.List(t.Context(), l)
	if want = want[offset:min(offset+l.Limit, len(want))]; err != nil || !slices.Equal(ids(page.Entries), want) {
		rt.Fatalf("page of %+v: got %v, %v, want %v", l, ids(page.Entries), err, want)
	}
}

// TestOffsetsAtTheEdgesOfHours has entries at the first and the last ms of each hour, and asks for every offset: whole hours
// are skipped by their count, and not one entry more or less.
func TestOffsetsAtTheEdgesOfHours(t *testing.T) {
	s, tables := openReader(t)
	m := &model{}
	for h := range int64(8) {
		for _, ms := range []int64{0, 1, hourMs - 1} {
			m.entries = append(m.entries, schema.Entry{Tenant: "a", ID: uint64(len(m.entries) + 1), Timestamp: base + h*hourMs + ms, Action: "x", Device: "d"})
		}
	}
	tables.Put(t, m.entries...)
	for _, order := range []Order{NewestFirst, OldestFirst} {
		f := filterOf(t, "a")
		if order == OldestFirst {
			f.Device = "d" // its hours are named
		}
		for range 2 {
			want := m.matching(f, order)
			for offset := range want {
				page, err := s.List(t.Context(), Listing{Filter: f, Order: order, Limit: 4, Offset: int64(offset)})
				if want := want[offset:min(offset+4, len(want))]; err != nil || !slices.Equal(ids(page.Entries), want) {
					t.Errorf("%+v, order %s, offset %d: got %v, %v, want %v", f, order.sql(), offset, ids(page.Entries), err, want)
				}
			}
			f.Start, f.End = base+1, base+7*hourMs+1
		}
	}
}

// TestDeepOffsets goes through a listing that no rollup counts, by offset, far enough to begin at page hints.
func TestDeepOffsets(t *testing.T) {
	s, tables := openReader(t)
	entries := make([]schema.Entry, 3*deep)
	for i := range entries {
		entries[i] = schema.Entry{Tenant: "a", ID: uint64(i + 1), Timestamp: base + int64(i/7)*hourMs/50, Action: "x", Device: "d", Platform: fmt.Sprint(i % 2)}
	}
	tables.Put(t, entries...)
	m := &model{entries: entries}
	f := filterOf(t, "a")
	f.Device, f.Platform = "d", "1"
	want := m.matching(f, NewestFirst)
	l := Listing{Filter: f, Limit: 300}
	var got []uint64
	remembered := 0
	for ; len(got) < len(want); l.Offset += int64(l.Limit) {
		if _, ok := s.hints.get(l); ok {
			remembered++
		}
		page, err := s.List(t.Context(), l)
		if err != nil || len(page.Entries) == 0 {
			t.Fatalf("offset %d: %d entries, %v", l.Offset, len(page.Entries), err)
		}
		got = append(got, ids(page.Entries)...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if remembered != 1 {
		t.Errorf("%d pages began at a page hint, want 1", remembered)
	}
}

// checkMoving pages through a listing while entries are stored and erased.
func checkMoving(t *testing.T, rt *rapid.T, s *Reader, tables *fixture.Database, m *model, tenants [2]string) {
	l := Listing{Filter: filterOf(t, tenants[0]), Limit: 3, Snapshot: rapid.Bool().Draw(rt, "snapshot")}
	l.Order = rapid.SampledFrom([]Order{NewestFirst, OldestFirst}).Draw(rt, "moving order")
	stay := m.matching(l.Filter, l.Order)
	first, err := s.List(t.Context(), l)
	if err != nil {
		rt.Fatal(err)
	}
	m.put(t, tables, drawEntries(rt, tenants, len(m.entries)+1))
	if len(stay) > 5 {
		gone := stay[len(stay)-2]
		if err := tables.Erase(t.Context(), fmt.Sprintf("tenant = '%s' AND id = %d", tenants[0], gone)); err != nil {
			rt.Fatal(err)
		}
		stay = slices.DeleteFunc(stay, func(id uint64) bool { return id == gone })
		m.entries = slices.DeleteFunc(m.entries, func(e schema.Entry) bool { return e.ID == gone })
	}
	got := ids(first.Entries)
	if l.Cursor = first.Next; l.Cursor != "" {
		got = append(got, allPages(t, s, l)...)
	}
	all := m.matching(l.Filter, l.Order)
	if shown := slices.DeleteFunc(slices.Clone(all), func(id uint64) bool { return !slices.Contains(got, id) }); !slices.Equal(shown, got) {
		rt.Fatalf("pages show %v: not once each, in order, of %v", got, all)
	}
	for _, id := range stay {
		if !slices.Contains(got, id) {
			rt.Fatalf("pages show %v: %d is missing", got, id)
		}
	}
	if l.Snapshot && len(got) > len(stay)+1 { // the erased one may have been on the first page
		rt.Fatalf("pages show %v of a snapshot of %v", got, stay)
	}
	checkListing(t, rt, s, m, l.Filter)
}
