package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/query/visible"
	"github.com/activitylog/activitylog/schema"
)

// counting counts the queries of a connection.
type counting struct {
	driver.Conn
	queries atomic.Int64
	slow    time.Duration // each query takes that much longer
}

func (c *counting) Query(ctx context.Context, text string, args ...any) (driver.Rows, error) {
	c.queries.Add(1)
	if c.slow > 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(c.slow):
		}
	}
	return c.Conn.Query(ctx, text, args...)
}

// openCounted returns a Reader that counts its queries.
func openCounted(t *testing.T, cfg db.Config) (*Reader, *fixture.Database, *counting) {
	t.Helper()
	f := fixture.Open(t, testbed.ClickHouse(t))
	conn := &counting{Conn: f.Conn}
	own, reg := Defaults(), prometheus.NewRegistry()
	own.CursorSecret = "0123456789abcdef"
	d := db.New(cfg, conn)
	return New(own, d, stored.New(stored.Defaults(), d, nil, slog.New(slog.DiscardHandler), reg), visible.New(visible.Defaults(), d), reg), f, conn
}

// days400 is how many hours 400 days have.
const days400 = 400 * 24

// fillHours stores an entry in each of 400 days' hours: its id is the number of the hour. The first hour and the last three have more
// entries.
func fillHours(t *testing.T, tables *fixture.Database) {
	t.Helper()
	all := make([]schema.Entry, days400)
	for i := range all {
		all[i] = schema.Entry{
			Tenant: "a", ID: uint64(i + 1), Timestamp: base + int64(i)*hourMs, Action: "post", Platform: "x", Device: "d1", ActorID: fmt.Sprint("u", i%2),
			Detail: "common", RequestID: fmt.Sprint("r-", i),
		}
		if i < 3 || i >= days400-3 {
			all[i].Detail, all[i].RequestID = "common needle", "r-rare"
		}
	}
	tables.Put(t, all...)
}

// TestFarHoursTakeFewQueries: entries in the last of 9,600 hours are found with a few queries, whichever conditions a rollup lacks.
func TestFarHoursTakeFewQueries(t *testing.T) {
	s, tables, conn := openCounted(t, db.Defaults())
	fillHours(t, tables)
	rare := []uint64{days400, days400 - 1, days400 - 2, 3, 2, 1}
	for _, tc := range []struct {
		name string
		set  func(*Filter)
		want []uint64
		most int64
	}{
		{"search", func(f *Filter) { f.Search = "needle" }, rare, 10},
		{"search that finds nothing", func(f *Filter) { f.Search = "haystack" }, nil, 10},
		{"request", func(f *Filter) { f.RequestID = "r-rare" }, rare, 10},
		{"request that there is not", func(f *Filter) { f.RequestID = "r-none" }, nil, 10},
		{"request of one hour", func(f *Filter) { f.RequestID = "r-10" }, []uint64{11}, 10},
		{"search on a device", func(f *Filter) { f.Search, f.Device = "needle", "d1" }, rare, 10},
		{"search by a person", func(f *Filter) { f.Search, f.Username = "needle", "u1" }, []uint64{days400, days400 - 2, 2}, 10},
		{"search in a window", func(f *Filter) { f.Search, f.Start, f.End = "needle", base+1, base+int64(days400-2)*hourMs }, []uint64{days400 - 1, days400 - 2, 3, 2}, 10},
		{"kind of actor", func(f *Filter) { f.ActorKind = "robot" }, nil, 10},
		{"target", func(f *Filter) { f.Want(schema.TargetMatch{Type: "task", ID: "1"}) }, nil, 10},
		{"request of a platform", func(f *Filter) { f.RequestID, f.Platform = "r-rare", "x" }, rare, 10},
	} {
		for _, order := range []Order{NewestFirst, OldestFirst} {
			t.Run(tc.name+" "+order.sql(), func(t *testing.T) {
				f := filterOf(t, "a")
				tc.set(&f)
				want := slices.Clone(tc.want)
				if order == OldestFirst {
					slices.Reverse(want)
				}
				before := conn.queries.Load()
				page, err := s.List(t.Context(), Listing{Filter: f, Order: order, Limit: 10})
				if err != nil || !slices.Equal(ids(page.Entries), want) {
					t.Errorf("got %v, %v, want %v", ids(page.Entries), err, want)
				}
				if n := conn.queries.Load() - before; n > tc.most {
					t.Errorf("it took %d queries, want %d or fewer", n, tc.most)
				}
				if got := allPages(t, s, Listing{Filter: f, Order: order, Limit: 2}); !slices.Equal(got, want) && len(want) > 0 {
					t.Errorf("by pages: got %v, want %v", got, want)
				}
			})
		}
	}
}

// TestPagesOfFarHours: where a rollup is exact, pages by offset and by cursor stay right over many hours, too.
func TestPagesOfFarHours(t *testing.T) {
	s, tables, conn := openCounted(t, db.Defaults())
	fillHours(t, tables)
	f := filterOf(t, "a")
	f.Device = "d1"
	for _, offset := range []int64{0, 1, 999, 1000, 1001, 5000, days400 - 1} {
		before := conn.queries.Load()
		page, err := s.List(t.Context(), Listing{Filter: f, Limit: 3, Offset: offset})
		if err != nil || len(page.Entries) == 0 || page.Entries[0].ID != uint64(days400-offset) {
			t.Errorf("offset %d: got %v, %v, want %d first", offset, ids(page.Entries), err, days400-offset)
		}
		if n := conn.queries.Load() - before; n > offset/maxHours+4 {
			t.Errorf("offset %d: it took %d queries", offset, n)
		}
	}
	if got := allPages(t, s, Listing{Filter: f, Limit: MaxLimit}); len(got) != days400 {
		t.Errorf("by cursor: got %d entries, want %d", len(got), days400)
	}
	page, err := s.List(t.Context(), Listing{Filter: f, Limit: 3, Offset: days400})
	if err != nil || len(page.Entries) != 0 || page.Next != "" {
		t.Errorf("behind the end: got %v, %v, want nothing", ids(page.Entries), err)
	}
}

// TestListingsEndAtTheFirstHour: 1970 begins with hour 0, which must not be mistaken for "no bound".
func TestListingsEndAtTheFirstHour(t *testing.T) {
	s, tables, _ := openCounted(t, db.Defaults())
	const hours = maxHours // as many as one query names, so that the listing asks for more
	var all []schema.Entry
	var want []uint64
	for i := range hours {
		all = append(all, schema.Entry{
			Tenant: "a", ID: uint64(i + 1), Timestamp: schema.MinTimestamp + int64(i)*hourMs, Action: "post", Device: "d1", ActorKind: "human", Detail: "word",
		})
		want = append(want, uint64(hours-i))
	}
	all = append(all, schema.Entry{Tenant: "a", ID: 5000, Timestamp: schema.MinTimestamp + 1, Action: "post", Device: "d2", Detail: "other"})
	tables.Put(t, all...)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for name, set := range map[string]func(*Filter){
		"all":       func(*Filter) {},
		"device":    func(f *Filter) { f.Device = "d1" },
		"search":    func(f *Filter) { f.Search = "word" },
		"actorkind": func(f *Filter) { f.ActorKind = "human" },
	} {
		f := filterOf(t, "a")
		set(&f)
		page, err := s.List(ctx, Listing{Filter: f, Limit: MaxLimit})
		got := slices.DeleteFunc(ids(page.Entries), func(id uint64) bool { return id == 5000 })
		if err != nil || !slices.Equal(got, want[:len(got)]) || len(got) < hours-1 {
			t.Errorf("%s: got %d entries, %v, want %d", name, len(got), err, hours)
		}
	}
	f := filterOf(t, "a")
	f.End = schema.MinTimestamp // within hour 0
	page, err := s.List(ctx, Listing{Filter: f, Limit: 5})
	if err != nil || !slices.Equal(ids(page.Entries), []uint64{1}) {
		t.Errorf("an end within hour 0: got %v, %v, want 1", ids(page.Entries), err)
	}
	if n, err := s.Count(ctx, f); err != nil || n != 1 {
		t.Errorf("an end within hour 0: got the count %d, %v, want 1", n, err)
	}
	f.End = hourMs - 1
	page, err = s.List(ctx, Listing{Filter: f, Limit: 1, Offset: 1})
	if err != nil || !slices.Equal(ids(page.Entries), []uint64{1}) {
		t.Errorf("the second entry of hour 0: got %v, %v, want 1", ids(page.Entries), err)
	}
}

// TestAListingHasOneDeadline: its queries share the time of one.
func TestAListingHasOneDeadline(t *testing.T) {
	cfg := db.Defaults()
	cfg.QueryTimeout = time.Second
	s, tables, conn := openCounted(t, cfg)
	fillHours(t, tables)
	conn.slow = 400 * time.Millisecond
	f := filterOf(t, "a")
	f.Search = "needle"
	for name, ask := range map[string]func() error{
		"list": func() error {
			_, err := s.List(t.Context(), Listing{Filter: f, Limit: 10})
			return err
		},
		"statistics": func() error {
			all := filterOf(t, "a")
			all.Start, all.End = base, base+2*24*hourMs
			_, err := s.Stats(t.Context(), Statistics{Filter: all, By: ByDevice, Interval: time.Hour, Top: 3})
			return err
		},
	} {
		began := time.Now()
		if err := ask(); !errors.Is(err, schema.ErrTimeout) {
			t.Errorf("%s: got %v after %v, want timed out", name, err, time.Since(began))
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s: it took %v, want about 1 s", name, took)
		}
	}
}
