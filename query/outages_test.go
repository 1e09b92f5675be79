package query_test

import (
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/query/internal/fixture/pipeline"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

func TestReadYourWrites(t *testing.T) {
	p := pipeline.Start(t, 10*time.Second)
	for range 3 {
		ids, at := p.Write("a", 1, 2)
		if err := p.Backend.Await(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if all := p.Shown("a"); !all[ids[0]] || !all[ids[1]] {
			t.Errorf("after its position was stored, %v is not in %v", ids, all)
		}
	}
}

func TestReplicasShareTheKeyOfCursors(t *testing.T) {
	db := fixture.Open(t, testbed.ClickHouse(t))
	for i := range uint64(4) {
		db.Put(t, schema.Entry{Tenant: "a", ID: i + 1, Timestamp: 1_707_724_800_000, Action: "x"})
	}
	var all sync.WaitGroup
	pages := make([]query.Page, 3)
	f, _ := query.NewFilter(pipeline.Of("a"))
	stores := make([]*backend.Backend, len(pages))
	for i := range pages {
		stores[i] = backend.New(backend.Defaults(), db.Conn, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		all.Go(func() {
			var err error
			if pages[i], err = stores[i].List(t.Context(), query.Listing{Filter: f, Limit: 2}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range pages {
		next, err := stores[i].List(t.Context(), query.Listing{Filter: f, Limit: 2, Cursor: pages[(i+1)%len(pages)].Next})
		if err != nil || len(next.Entries) != 2 || next.Entries[0].ID != 2 {
			t.Errorf("replica %d with the cursor of another: got %v, %v", i, next.Entries, err)
		}
	}
}

func TestClickHouseAway(t *testing.T) {
	conn, err := clickhouse.Open(&clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{"127.0.0.1:1"}, DialTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	s := backend.New(backend.Defaults(), conn, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	f, _ := query.NewFilter(pipeline.Of("a"))
	start := time.Now()
	if _, err := s.Count(t.Context(), f); !errors.Is(err, schema.ErrUnavailable) || api.RetryAfter(err) == 0 {
		t.Errorf("count: got %v, want unavailable", err)
	}
	if _, err := s.List(t.Context(), query.Listing{Filter: f, Limit: 1}); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("list: got %v, want unavailable", err)
	}
	if err := s.Ready(t.Context()); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("ready: got %v, want unavailable", err)
	}
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("took %s, want at once", took)
	}
}
