package retain

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/erase"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/query/visible"
	"github.com/activitylog/activitylog/schema"
)

// base is an hour's beginning.
const base = int64(1_707_724_800_000)

const hourMs = int64(time.Hour / time.Millisecond)

// replica is one process of the query service: its reads and its retention.
type replica struct {
	*query.Reader
	*Keeper
}

func openReplica(t *testing.T) (*replica, *fixture.Database) {
	t.Helper()
	tables := fixture.Open(t, testbed.ClickHouse(t))
	return newReplica(tables), tables
}

func newReplica(tables *fixture.Database) *replica {
	cfg, log, reg := query.Defaults(), slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	cfg.CursorSecret = "0123456789abcdef"
	d := db.New(db.Defaults(), tables.Conn)
	s, v := stored.New(stored.Defaults(), d, nil, log, reg), visible.New(visible.Defaults(), d)
	reader := query.New(cfg, d, s, v, reg)
	eraser := erase.New(erase.Layers{DB: d, Stored: s, Visible: v, Reader: reader}, nil, reg)
	return &replica{reader, New(Defaults(), Layers{DB: d, Visible: v, Reader: reader, Eraser: eraser}, log, reg)}
}

// setClock gives the replica another time.
func (r *replica) setClock(now func() time.Time) {
	r.now, r.tables.now, r.cleaner.now = now, now, now
}

func filterOf(t *testing.T, tenant string) query.Filter {
	t.Helper()
	f, err := query.NewFilter(adminOf(tenant))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// aged are entries of a tenant, the i-th of which was received days[i] days ago.
func aged(tenant string, firstID uint64, days ...int) (all []schema.Entry) {
	for i, d := range days {
		received := time.Now().UTC().AddDate(0, 0, -d)
		all = append(all, schema.Entry{
			Tenant: tenant, ID: firstID + uint64(i), Timestamp: base + int64(i)*hourMs, ReceivedAt: received.UnixMilli(),
			Action: "post", Platform: "x", Device: "d1", ActorID: "u1",
		})
	}
	return all
}

func adminOf(tenant string) schema.Principal {
	p := schema.Anonymous()
	p.Tenant = tenant
	return p
}

// seen is how many entries of the filter every kind of read shows, which must agree.
func seen(t *testing.T, s *replica, f query.Filter) int {
	t.Helper()
	page, err := s.List(t.Context(), query.Listing{Filter: f, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	want := uint64(len(page.Entries))
	if n, err := s.Count(t.Context(), f); err != nil || n != want {
		t.Errorf("the count is %d, %v, the list has %d", n, err, want)
	}
	f.Device = "d1" // by another rollup, and the hours that it names
	if n, err := s.Count(t.Context(), f); err != nil || n != want {
		t.Errorf("the count by device is %d, %v, the list has %d", n, err, want)
	}
	f.Action = "post"
	if n, err := s.Count(t.Context(), f); err != nil || n != want {
		t.Errorf("the count of the entries is %d, %v, the list has %d", n, err, want)
	}
	stats, err := s.Stats(t.Context(), query.Statistics{Filter: f, By: query.ByActor, Top: 5})
	if err != nil || stats.Total != want {
		t.Errorf("the statistics count %d, %v, the list has %d", stats.Total, err, want)
	}
	return len(page.Entries)
}

func TestRetentionHidesAtOnce(t *testing.T) {
	fixture.SameDay(t)
	s, tables := openReplica(t)
	other := newReplica(tables)
	ctx := t.Context()
	tables.Put(t, aged("a", 1, 0, 1, 30, 31, 40, 45)...)
	tables.Put(t, aged("b", 11, 0, 31, 45)...)
	everybody := adminOf(schema.AllTenants)
	all, err := query.NewFilter(everybody)
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string, a, b int) {
		t.Helper()
		if got := seen(t, s, filterOf(t, "a")); got != a {
			t.Errorf("%s: a sees %d, want %d", when, got, a)
		}
		if got := seen(t, s, filterOf(t, "b")); got != b {
			t.Errorf("%s: b sees %d, want %d", when, got, b)
		}
		if got := seen(t, s, all); got != a+b {
			t.Errorf("%s: the administrator of all sees %d, want %d", when, got, a+b)
		}
	}
	check("at first", 6, 3)
	if got := seen(t, other, filterOf(t, "a")); got != 6 {
		t.Errorf("at first: the replica sees %d, want 6", got)
	}
	most := func(n uint64) *uint64 { return &n }
	for _, c := range []struct {
		name   string
		change Change
		want   Changed
		a      int
	}{
		{"not confirmed", Change{Days: 30}, Changed{3, true}, 6},
		{"confirmed for fewer", Change{Days: 30, Confirm: most(2)}, Changed{3, true}, 6},
		{"asked about", Change{Days: 30, Confirm: most(3), DryRun: true}, Changed{3, true}, 6},
		{"asked about what takes nothing", Change{Days: 400, DryRun: true}, Changed{0, true}, 6},
		{"confirmed", Change{Days: 30, Confirm: most(3)}, Changed{3, false}, 3},
		{"for longer", Change{Days: 45}, Changed{0, false}, 3}, // expired entries stay expired
		{"again, as there is nothing left", Change{Days: 31}, Changed{0, false}, 3},
	} {
		got, err := s.SetRetention(ctx, adminOf("a"), c.change)
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", c.name, got, err, c.want)
		}
		check(c.name, c.a, 3)
	}
	if days, err := s.Retention(ctx, adminOf("a")); err != nil || days != 31 {
		t.Errorf("the retention of a is %d, %v, want 31", days, err)
	}
	if days, err := s.Retention(ctx, adminOf("b")); err != nil || days != 45 {
		t.Errorf("the retention of b is %d, %v, want the default", days, err)
	}
	if _, err := s.Get(ctx, adminOf("a"), 4); !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("an expired entry by its id: got %v, want not found", err)
	}
	for deadline := time.Now().Add(20 * time.Second); seen(t, other, filterOf(t, "a")) != 3; {
		if time.Now().After(deadline) {
			t.Fatal("the replica does not see the change")
		}
	}
}

// TestStatisticsAcrossTenants: a count over all tenants is the sum of the tenants' counts, each by its own retention.
func TestStatisticsAcrossTenants(t *testing.T) {
	fixture.SameDay(t)
	s, tables := openReplica(t)
	ctx := t.Context()
	tenants := map[string]int{"a": 10, "b": 45, "c": 60, "d": 31} // days; b has the default
	first := uint64(1)
	for tenant, days := range tenants {
		if days != 45 {
			if _, err := s.SetRetention(ctx, adminOf(tenant), Change{Days: days}); err != nil {
				t.Fatal(err)
			}
		}
		entries := aged(tenant, first, 0, 5, 10, 11, 20, 30, 31, 32, 40, 45)
		for i := range entries {
			entries[i].Targets = []schema.Target{{Type: "task", ID: "1"}}
			if i%3 == 0 {
				entries[i].Targets = append(entries[i].Targets, schema.Target{Type: schema.DeviceTarget, ID: "d9"})
			}
		}
		tables.Put(t, entries...)
		first += 100
	}
	for by := query.ByNothing; by <= query.ByTargetType; by++ {
		for _, interval := range []time.Duration{0, time.Hour, 24 * time.Hour} {
			for name, narrow := range map[string]func(*query.Filter){
				"all":           func(*query.Filter) {},
				"from a minute": func(f *query.Filter) { f.Start = base + 60_000 },
				"two days":      func(f *query.Filter) { f.Start, f.End = base, base+48*hourMs-1 },
				"a platform":    func(f *query.Filter) { f.Platform = "x" },
				"a device":      func(f *query.Filter) { f.Device = "d1" },
			} {
				ask := func(tenant string) query.Stats {
					f := filterOf(t, tenant)
					narrow(&f)
					got, err := s.Stats(ctx, query.Statistics{Filter: f, By: by, Interval: interval, Top: 10})
					if err != nil {
						t.Fatal(err)
					}
					return got
				}
				var want uint64
				for tenant := range tenants {
					want += ask(tenant).Total
				}
				if got := ask(schema.AllTenants); got.Total != want || want == 0 {
					t.Errorf("%s, by %d, every %v: got %d, the tenants have %d together", name, by, interval, got.Total, want)
				}
			}
		}
	}
}

func TestSetRetentionRefuses(t *testing.T) {
	s, _ := openReplica(t)
	reader := adminOf("a")
	reader.Scopes = []schema.Scope{schema.ScopeRead, schema.ScopeDelete}
	for name, c := range map[string]struct {
		by   schema.Principal
		days int
		want error
	}{
		"no days":           {adminOf("a"), 0, schema.ErrInvalid},
		"too many days":     {adminOf("a"), MaxDays + 1, schema.ErrInvalid},
		"without the scope": {reader, 30, schema.ErrForbidden},
		"of no one tenant":  {adminOf(schema.AllTenants), 30, schema.ErrForbidden},
	} {
		if _, err := s.SetRetention(t.Context(), c.by, Change{Days: c.days}); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if _, err := s.Retention(t.Context(), reader); !errors.Is(err, schema.ErrForbidden) {
		t.Errorf("to read it without the scope: got %v, want forbidden", err)
	}
	if days, err := s.Retention(t.Context(), adminOf("a")); err != nil || days != 45 {
		t.Errorf("after all that it is %d, %v, want the default", days, err)
	}
}

// TestLongerRetentionSurvivesMerges stores entries that are older than the tables' previous retention, some in parts that still have the
// old expiry dates.
func TestLongerRetentionSurvivesMerges(t *testing.T) {
	fixture.SameDay(t)
	s, tables := openReplica(t)
	ctx := t.Context()
	exec := func(format string, args ...any) {
		t.Helper()
		if err := tables.Conn.Exec(ctx, fmt.Sprintf(format, args...)); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"activity", "by_kind", "by_entity"}
	for _, table := range names {
		exec("SYSTEM STOP TTL MERGES %s", table)
	}
	tables.Put(t, aged("a", 1, 50, 50, 51)...)
	s.setClock(func() time.Time { return time.Now().AddDate(0, 0, -60) }) // before they were received
	if got, err := s.SetRetention(ctx, adminOf("a"), Change{Days: 100}); err != nil || got != (Changed{}) {
		t.Fatalf("got %+v, %v, want it to be changed", got, err)
	}
	s.setClock(time.Now)
	tables.Put(t, aged("a", 4, 50, 99)...)
	tables.Put(t, aged("b", 14, 0, 50)...)
	awaitMutations(t, tables)
	for _, table := range names {
		exec("SYSTEM START TTL MERGES %s", table)
	}
	for range 2 {
		for _, table := range names {
			exec("OPTIMIZE TABLE %s FINAL", table)
		}
		if got := seen(t, s, filterOf(t, "a")); got != 5 {
			t.Errorf("a sees %d, want 5", got)
		}
		if got := seen(t, s, filterOf(t, "b")); got != 1 { // of the default
			t.Errorf("b sees %d, want 1", got)
		}
	}
	// A process that ended between the two halves of a change leaves parts with the old dates.
	for _, table := range names {
		exec("SYSTEM STOP TTL MERGES %s", table)
	}
	tables.Put(t, aged("c", 21, 101, 101)...)
	for _, x := range expiring {
		exec("ALTER TABLE %s MODIFY TTL %s + INTERVAL 201 DAY SETTINGS materialize_ttl_after_modify = 0", x.table, x.expires)
	}
	if err := s.tables.keep(ctx, 0); err != nil {
		t.Fatal(err)
	}
	awaitMutations(t, tables)
	for _, table := range names {
		exec("SYSTEM START TTL MERGES %s", table)
		exec("OPTIMIZE TABLE %s FINAL", table)
	}
	var left uint64
	if err := tables.Conn.QueryRow(ctx, "SELECT count() FROM activity WHERE tenant = 'c'").Scan(&left); err != nil || left != 2 {
		t.Errorf("of parts with old dates %d entries are left, %v, want 2", left, err)
	}
	if days, err := s.tables.expiry(ctx, "activity"); err != nil || days != 201 {
		t.Errorf("the tables keep rows for %d days, %v, want 201, and never less", days, err)
	}
}

// awaitMutations waits until the parts have the change.
func awaitMutations(t *testing.T, tables *fixture.Database) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var running uint64
		if err := tables.Conn.QueryRow(t.Context(), "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND NOT is_done").Scan(&running); err != nil {
			t.Fatal(err)
		}
		if running == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("mutations are not done")
		}
	}
}

func TestTablesKeepWhatSomebodyWasPromised(t *testing.T) {
	s, tables := openReplica(t)
	ctx := t.Context()
	if err := tables.Conn.Exec(ctx, "INSERT INTO retention (tenant, days) VALUES ('z', 200), ('y', 300)"); err != nil { // set by another replica
		t.Fatal(err)
	}
	if err := tables.Conn.Exec(ctx, "INSERT INTO retention (tenant, days) VALUES ('y', 20)"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetRetention(ctx, adminOf("a"), Change{Days: 60}); err != nil {
		t.Fatal(err)
	}
	for _, x := range expiring {
		if days, err := s.tables.expiry(ctx, x.table); err != nil || days != 201 {
			t.Errorf("%s keeps rows for %d days, %v, want 201", x.table, days, err)
		}
	}
}

// TestOneProcessCleansUp lets many processes claim the same cleanup at once, in one hour and in the next.
func TestOneProcessCleansUp(t *testing.T) {
	first, tables := openReplica(t)
	replicas := []*replica{first}
	for range 5 {
		replicas = append(replicas, newReplica(tables))
	}
	hour := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for _, now := range []time.Time{hour, hour.Add(59 * time.Minute), hour.Add(time.Hour)} {
		claimed := make([]bool, len(replicas))
		var all sync.WaitGroup
		for i, s := range replicas {
			s.setClock(func() time.Time { return now })
			all.Go(func() {
				var err error
				if claimed[i], err = s.cleaner.claim(t.Context(), &expired{tenant: "a'\\", since: "2026-02-01"}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		n := 0
		for _, mine := range claimed {
			if mine {
				n++
			}
		}
		if n != 1 {
			t.Errorf("at %s %d claimed it, want one", now, n)
		}
	}
}

// TestAClaimAtTheEndOfAnHour: the hour may end between the two statements of a claim.
func TestAClaimAtTheEndOfAnHour(t *testing.T) {
	s, tables := openReplica(t)
	before := time.Date(2026, 3, 2, 10, 59, 59, 999_000_000, time.UTC)
	looks := 0
	s.setClock(func() time.Time {
		looks++
		return before.Add(time.Duration(looks-1) * time.Millisecond)
	})
	x := expired{tenant: "a", since: "2026-02-01", fresh: 1}
	mine, err := s.cleaner.claim(t.Context(), &x)
	if err != nil || !mine {
		t.Errorf("got %v, %v, want that nobody else has claimed it", mine, err)
	}
	if err := s.cleaner.insert(t.Context(), x, 1, true); err != nil {
		t.Fatal(err)
	}
	var slots uint64
	if err := tables.Conn.QueryRow(t.Context(), "SELECT uniqExact(slot) FROM cleanups").Scan(&slots); err != nil || slots != 1 {
		t.Errorf("the claim and the cleanup have %d hours, %v, want the same", slots, err)
	}
}
