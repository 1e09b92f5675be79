package query

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/query/visible"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// base is an hour's beginning.
const base = int64(1_707_724_800_000)

func openReader(t testing.TB) (*Reader, *fixture.Database) {
	t.Helper()
	f := fixture.Open(t, testbed.ClickHouse(t))
	cfg, reg := Defaults(), prometheus.NewRegistry()
	cfg.CursorSecret = "0123456789abcdef"
	d := db.New(db.Defaults(), f.Conn)
	return New(cfg, d, stored.New(stored.Defaults(), d, nil, slog.New(slog.DiscardHandler), reg), visible.New(visible.Defaults(), d), reg), f
}

func filterOf(t testing.TB, tenant string) Filter {
	t.Helper()
	p := schema.Anonymous()
	p.Tenant = tenant
	f, err := NewFilter(p)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func ids(entries []schema.Entry) []uint64 {
	out := []uint64{}
	for _, e := range entries {
		out = append(out, e.ID)
	}
	return out
}

func TestListAndCount(t *testing.T) {
	s, tables := openReader(t)
	minute := int64(60_000)
	tables.Put(
		t,
		schema.Entry{Tenant: "a", ID: 1, Timestamp: base, Action: "post", Platform: "tiktok", Device: "d1", ActorName: "ann", Detail: "Published Video"},
		schema.Entry{Tenant: "a", ID: 2, Timestamp: base + 30*minute, Action: "like", Platform: "tiktok", Device: "d2", ActorID: "ann", RequestID: "r-2"},
		schema.Entry{Tenant: "b", ID: 3, Timestamp: base + 31*minute, Action: "like", Platform: "tiktok", Device: "d1", ActorName: "ann"},
	)
	tables.Put(
		t,
		schema.Entry{
			Tenant: "a", ID: 4, Timestamp: base + 5*60*minute, Action: "post", Platform: "x", Device: "d1", ActorName: "bob", Details: `{"note":"Größe video"}`,
			Targets: []schema.Target{{Type: "task", ID: "t1"}, {Type: "thing", ID: "9"}},
		},
		schema.Entry{Tenant: "a", ID: 5, Timestamp: base + 5*60*minute, Action: "post", Platform: "x", Device: "it's \\ \t \"odd\"", ActorID: "ann", ActorName: "bob"},
	)
	for _, tc := range []struct {
		name string
		set  func(*Filter)
		want []uint64
	}{
		{"all", func(*Filter) {}, []uint64{5, 4, 2, 1}},
		{"platform", func(f *Filter) { f.Platform = "tiktok" }, []uint64{2, 1}},
		{"platform and action", func(f *Filter) { f.Platform, f.Action = "tiktok", "like" }, []uint64{2}},
		{"device", func(f *Filter) { f.Device = "d1" }, []uint64{4, 1}},
		{"odd device", func(f *Filter) { f.Device = "it's \\ \t \"odd\"" }, []uint64{5}},
		{"device and action", func(f *Filter) { f.Device, f.Action = "d2", "like" }, []uint64{2}},
		{"device and username", func(f *Filter) { f.Device, f.Username = "d1", "ann" }, []uint64{1}},
		{"username", func(f *Filter) { f.Username = "ann" }, []uint64{2, 1}},
		{"actor", func(f *Filter) { f.ActorID = "ann" }, []uint64{5, 2}},
		{"target type", func(f *Filter) { f.Targets[0].Type = "task" }, []uint64{4}},
		{"target", func(f *Filter) { f.Targets[0] = schema.TargetMatch{Type: "thing", ID: "9"} }, []uint64{4}},
		{"other target", func(f *Filter) { f.Targets[0] = schema.TargetMatch{Type: "task", ID: "9"} }, []uint64{}},
		{"target id", func(f *Filter) { f.Targets[0].ID = "t1" }, []uint64{4}},
		{"target id that is another's end", func(f *Filter) { f.Targets[0].ID = "1" }, []uint64{}},
		{"target id that is a device", func(f *Filter) { f.Targets[0].ID = "d2" }, []uint64{2}},
		{"target of either type", func(f *Filter) { f.Targets[0] = schema.TargetMatch{Type: "task", ID: "9", Else: "thing"} }, []uint64{4}},
		{"device or target", func(f *Filter) { f.Targets[0] = schema.TargetMatch{Type: "DEVICE", ID: "d1", Else: "thing"} }, []uint64{4, 1}},
		{"of neither type", func(f *Filter) { f.Targets[0] = schema.TargetMatch{Type: "thing", ID: "t1", Else: "other"} }, []uint64{}},
		{"request", func(f *Filter) { f.RequestID = "r-2" }, []uint64{2}},
		{"search request", func(f *Filter) { f.Search = "r-2" }, []uint64{2}},
		{"search word", func(f *Filter) { f.Search = "VIDEO" }, []uint64{4, 1}},
		{"search words", func(f *Filter) { f.Search = "video, published!" }, []uint64{1}},
		{"search part of a word", func(f *Filter) { f.Search = "vide" }, []uint64{}},
		{"search beyond ASCII", func(f *Filter) { f.Search = "Größe" }, []uint64{4}},
		{"search without a word", func(f *Filter) { f.Search = "!" }, []uint64{}},
		{"start", func(f *Filter) { f.Start = base + 1 }, []uint64{5, 4, 2}},
		{"end", func(f *Filter) { f.End = base + 30*minute }, []uint64{2, 1}},
		{"start and end in one hour", func(f *Filter) { f.Start, f.End = base+1, base+31*minute }, []uint64{2}},
		{"whole hours", func(f *Filter) { f.Start, f.End = base, base+hourMs-1 }, []uint64{2, 1}},
		{"two edges", func(f *Filter) { f.Start, f.End = base+1, base+5*60*minute }, []uint64{5, 4, 2}},
		{"device with edges", func(f *Filter) { f.Device, f.Start, f.End = "d1", base, base+5*60*minute-1 }, []uint64{1}},
		{"nothing", func(f *Filter) { f.Platform = "none" }, []uint64{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := filterOf(t, "a")
			tc.set(&f)
			page, err := s.List(t.Context(), Listing{Filter: f, Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, ids(page.Entries)); diff != "" {
				t.Errorf("list (-want +got):\n%s", diff)
			}
			n, err := s.Count(t.Context(), f)
			if err != nil || n != uint64(len(tc.want)) {
				t.Errorf("count: got %d, %v, want %d", n, err, len(tc.want))
			}
			checkPages(t, s, Listing{Filter: f, Limit: 1}, tc.want)
		})
	}
}

// checkPages reads all pages of l by offset and by cursor, and in both orders.
func checkPages(t *testing.T, s *Reader, l Listing, want []uint64) {
	t.Helper()
	for i := range want {
		l.Offset = int64(i)
		page, err := s.List(t.Context(), l)
		if err != nil || len(page.Entries) != 1 || page.Entries[0].ID != want[i] {
			t.Errorf("offset %d: got %v, %v, want %d", i, ids(page.Entries), err, want[i])
		}
	}
	l.Offset = 0
	for _, order := range []Order{NewestFirst, OldestFirst} {
		l.Order = order
		got := allPages(t, s, l)
		if order == OldestFirst {
			reversed := []uint64{}
			for i := range got {
				reversed = append(reversed, got[len(got)-1-i])
			}
			got = reversed
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("order %s (-want +got):\n%s", order.sql(), diff)
		}
	}
}

func allPages(t *testing.T, s *Reader, l Listing) []uint64 {
	t.Helper()
	got := []uint64{}
	for range 1000 {
		page, err := s.List(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ids(page.Entries)...)
		if l.Cursor = page.Next; page.Next == "" {
			return got
		}
	}
	t.Fatal("the pages have no end")
	return nil
}

func TestEverything(t *testing.T) {
	s, tables := openReader(t)
	want := schema.Entry{
		ID: 7, Tenant: "a", Timestamp: base + 1, ReceivedAt: time.Now().UnixMilli(), Action: "post", Platform: "p", Device: "d", ActorID: "u1", ActorName: "ann",
		Targets:   []schema.Target{{Type: "task", ID: "t1", Name: "Sweep"}, {Type: "thing", ID: "9", Name: "Broom"}},
		RequestID: "r", Detail: "text", Details: `{"a":1}`,
		ActorKind: "human", Extra: schema.Extra{ActorLabel: "Ann", IPAddress: "10.0.0.1", UserAgent: "curl", Layer: "api"},
	}
	tables.Put(t, want)
	page, err := s.List(t.Context(), Listing{Filter: filterOf(t, "a"), Limit: 1, Fields: Everything})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]schema.Entry{want}, page.Entries); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	p := schema.Anonymous()
	p.Tenant = "a"
	got, err := s.Get(t.Context(), p, 7)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("get (-want +got):\n%s", diff)
	}
	p.Tenant = "b"
	if _, err := s.Get(t.Context(), p, 7); api.Status(err) != 404 {
		t.Errorf("get of another tenant: got %v, want not found", err)
	}
}

func TestReady(t *testing.T) {
	s, _ := openReader(t)
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFilterWithoutTenant(t *testing.T) {
	s, _ := openReader(t)
	if _, err := s.List(t.Context(), Listing{Filter: Filter{Match: schema.Match{Platform: "x"}}, Limit: 1}); api.Status(err) != 401 {
		t.Errorf("list: got %v, want unauthenticated", err)
	}
	if _, err := s.Count(t.Context(), Filter{}); api.Status(err) != 401 {
		t.Errorf("count: got %v, want unauthenticated", err)
	}
	if _, err := NewFilter(schema.Principal{Tenant: "a", Scopes: []schema.Scope{schema.ScopeIngest}}); api.Status(err) != 403 {
		t.Errorf("without the scope read: got %v, want forbidden", err)
	}
}
