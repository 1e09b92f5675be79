package query_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/ingest/consumer"
	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// pipeline is a broker, a consumer that can be stopped, and a store behind them.
type pipeline struct {
	t      *testing.T
	broker *testbed.Broker
	client *kafka.Client
	db     *fixture.Database
	store  *query.Store
	ids    atomic.Uint64

	stop func() // the consumer; nil while it is stopped
}

const partitions = 3

func startPipeline(t *testing.T, waitMax time.Duration) *pipeline {
	t.Helper()
	p := &pipeline{t: t, broker: testbed.Kafka(t, partitions), db: fixture.Open(t, testbed.ClickHouse(t))}
	p.client = p.broker.Client()
	cfg := query.Defaults()
	cfg.Topic, cfg.WaitMax, cfg.CursorSecret = p.broker.Topic(), waitMax, "0123456789abcdef"
	p.store = query.New(cfg, p.db.Conn, p.client, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	t.Cleanup(background(t, p.store.Run))
	p.startConsumer()
	t.Cleanup(func() { p.stopConsumer() })
	return p
}

// background runs f until the function that it returns is called.
func background(t *testing.T, f func(context.Context) error) func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

func (p *pipeline) startConsumer() {
	cfg := consumer.Defaults()
	cfg.Topic, cfg.Brokers, cfg.ClickHouse = p.broker.Topic(), []string{p.broker.Addr()}, p.db.Options
	p.stop = background(p.t, consumer.New(cfg, p.client, slog.New(slog.DiscardHandler), prometheus.NewRegistry()).Run)
}

func (p *pipeline) stopConsumer() {
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}

// write has n entries of tenant acknowledged by the partition, and returns their ids and position.
func (p *pipeline) write(tenant string, partition, n int) ([]uint64, schema.Position) {
	p.t.Helper()
	first := p.ids.Add(uint64(n)) - uint64(n) + 1
	var c schema.Chunk
	c.Reset(tenant, time.Now().UnixMilli())
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = first + uint64(i)
		c.Add(&schema.Entry{Timestamp: 1_707_724_800_000 + int64(ids[i]), Action: "post", Platform: "x", Device: fmt.Sprint("d", partition)}, nil)
	}
	c.Seal(first)
	return ids, schema.Position{partition: p.produce(partition, schema.AppendChunk(schema.AppendRecordHeader(nil), &c))}
}

// produce has a record acknowledged by the partition, and returns its offset.
func (p *pipeline) produce(partition int, value []byte) int64 {
	p.t.Helper()
	res, err := p.client.Produce(p.t.Context(), &kafka.ProduceRequest{
		Topic: p.broker.Topic(), Partition: partition, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Value: kafka.NewBytes(value)}),
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return res.BaseOffset
}

func of(tenant string) schema.Principal {
	p := schema.Anonymous()
	p.Tenant = tenant
	return p
}

// shown is what tenant sees: the ids of its list, and its count by the rollups.
func (p *pipeline) shown(tenant string) map[uint64]bool {
	p.t.Helper()
	f, err := query.NewFilter(of(tenant))
	if err != nil {
		p.t.Fatal(err)
	}
	all := map[uint64]bool{}
	l := query.Listing{Filter: f, Limit: query.MaxLimit}
	for {
		page, err := p.store.List(p.t.Context(), l)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, e := range page.Entries {
			all[e.ID] = true
		}
		if l.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	n, err := p.store.Count(p.t.Context(), f)
	if err != nil || n != uint64(len(all)) {
		p.t.Errorf("tenant %s: the count says %d, %v, the list has %d", tenant, n, err, len(all))
	}
	return all
}

func TestReadYourWrites(t *testing.T) {
	p := startPipeline(t, 10*time.Second)
	for range 3 {
		ids, at := p.write("a", 1, 2)
		if err := p.store.Await(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if all := p.shown("a"); !all[ids[0]] || !all[ids[1]] {
			t.Errorf("after its position was stored, %v is not in %v", ids, all)
		}
	}
}

func TestDelete(t *testing.T) {
	p := startPipeline(t, 10*time.Second)
	ctx := t.Context()
	mine, _ := p.write("a", 0, 3)
	other, _ := p.write("b", 0, 2)
	if err := p.store.DeleteOne(ctx, of("a"), mine[1]); err != nil { // still in Kafka, perhaps
		t.Fatalf("delete one: %v", err)
	}
	if got := p.shown("a"); len(got) != 2 || got[mine[1]] {
		t.Errorf("after delete %d: got %v", mine[1], got)
	}
	for name, id := range map[string]uint64{"deleted already": mine[1], "unknown": 9999, "of another tenant": other[0]} {
		if err := p.store.DeleteOne(ctx, of("a"), id); !errors.Is(err, schema.ErrNotFound) {
			t.Errorf("%s: got %v, want not found", name, err)
		}
	}
	p.write("a", 2, 5)
	if err := p.store.DeleteAll(ctx, of("a")); err != nil {
		t.Fatalf("delete all: %v", err)
	}
	if got := p.shown("a"); len(got) != 0 {
		t.Errorf("after delete all: got %v", got)
	}
	if got := p.shown("b"); len(got) != 2 {
		t.Errorf("of the other tenant: got %v, want 2", got)
	}
	if err := p.store.DeleteAll(ctx, of("a")); err != nil {
		t.Errorf("delete all of nothing: %v", err)
	}
	if err := p.store.DeleteAll(ctx, schema.Principal{Tenant: "a", Scopes: []schema.Scope{schema.ScopeRead}}); !errors.Is(err, schema.ErrForbidden) {
		t.Errorf("without the scope delete: got %v, want forbidden", err)
	}
	var rows, entries uint64
	if err := p.db.Conn.QueryRow(ctx, "SELECT count(), sum(entries) FROM erasures WHERE tenant = 'a' AND by = 'anonymous'").Scan(&rows, &entries); err != nil {
		t.Fatal(err)
	}
	if rows != 3 || entries < 3 {
		t.Errorf("erasures noted: got %d of %d entries, want 3 of 3 or more", rows, entries)
	}
}

func TestDeleteAcrossOutages(t *testing.T) {
	p := startPipeline(t, time.Second)
	ctx := t.Context()
	ids, at := p.write("a", 0, 2)
	if err := p.store.Await(ctx, at); err != nil {
		t.Fatal(err)
	}
	p.stopConsumer()
	if err := p.store.DeleteAll(ctx, of("a")); !errors.Is(err, schema.ErrTimeout) || errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("delete all, nobody stores: got %v, want timed out", err)
	}
	late, at := p.write("a", 0, 1)
	if err := p.store.DeleteOne(ctx, of("a"), late[0]); !errors.Is(err, schema.ErrTimeout) {
		t.Errorf("delete one, nobody stores: got %v, want timed out", err)
	}
	p.startConsumer()
	eventually(t, func() bool { got := p.visible("a"); return len(got) == 1 && got[late[0]] }, "the delete-all is carried out, and the later entry stays")
	eventually(t, func() bool { return p.store.Await(ctx, at) == nil }, "the later entry is stored, and counted")
	p.broker.Stop()
	if err := p.store.DeleteOne(ctx, of("a"), late[0]); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("Kafka away: got %v, want unavailable", err)
	}
	if got := p.shown("a"); len(got) != 1 {
		t.Errorf("reads while Kafka is away: got %v, want the one entry besides %v", got, ids)
	}
	p.broker.Start()
	eventually(t, func() bool {
		err := p.store.DeleteOne(ctx, of("a"), late[0])
		return err == nil || errors.Is(err, schema.ErrNotFound) // a try before this one may have been carried out late
	}, "deletes work again")
	if got := p.shown("a"); len(got) != 0 {
		t.Errorf("after the last entry was deleted: got %v, want none", got)
	}
}

func eventually(t *testing.T, done func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so in time: %s", what)
		}
	}
}

// TestDeletesRaceWithWriters has writers and deleters at work at once: what was acknowledged before a delete-all is gone when
// that is answered, what was acknowledged after is there at the end, and so is what nobody deleted.
func TestDeletesRaceWithWriters(t *testing.T) {
	p := startPipeline(t, 20*time.Second)
	ctx := t.Context()
	var mu sync.Mutex // guards gone and kept
	gone, kept := map[uint64]bool{}, map[uint64]bool{}
	var all sync.WaitGroup
	for w := range partitions {
		all.Go(func() {
			for i := range 5 {
				ids, _ := p.write("a", w, 5)
				one := ids[i]
				if err := p.store.DeleteOne(ctx, of("a"), one); err != nil && !errors.Is(err, schema.ErrNotFound) {
					t.Errorf("delete %d: %v", one, err) // a delete-all may have been faster
				}
				mu.Lock()
				gone[one] = true
				for _, id := range ids {
					kept[id] = true
				}
				mu.Unlock()
			}
		})
	}
	all.Go(func() {
		for range 3 {
			mu.Lock()
			before := make([]uint64, 0, len(kept))
			for id := range kept {
				before = append(before, id)
			}
			mu.Unlock()
			if err := p.store.DeleteAll(ctx, of("a")); err != nil {
				t.Errorf("delete all: %v", err)
			}
			mu.Lock()
			for _, id := range before {
				gone[id] = true
			}
			mu.Unlock()
			for id := range p.visible("a") {
				for _, b := range before {
					if id == b {
						t.Errorf("%d is shown after it was deleted", id)
					}
				}
			}
		}
	})
	all.Wait()
	last, at := p.write("a", 0, 7)
	if err := p.store.Await(ctx, at); err != nil {
		t.Fatal(err)
	}
	got := p.shown("a")
	for id := range got {
		if gone[id] {
			t.Errorf("%d is shown after it was deleted", id)
		}
	}
	for _, id := range last {
		if !got[id] {
			t.Errorf("%d, acknowledged after every delete, is missing", id)
		}
	}
}

// visible is what a list of tenant shows while others write: its count may be another a moment later.
func (p *pipeline) visible(tenant string) map[uint64]bool {
	f, _ := query.NewFilter(of(tenant))
	page, err := p.store.List(context.WithoutCancel(p.t.Context()), query.Listing{Filter: f, Limit: query.MaxLimit})
	if err != nil {
		p.t.Error(err)
	}
	all := map[uint64]bool{}
	for _, e := range page.Entries {
		all[e.ID] = true
	}
	return all
}

func TestPatchesAreApplied(t *testing.T) {
	db := fixture.Open(t, testbed.ClickHouse(t))
	cfg := query.Defaults()
	cfg.PatchInterval = 50 * time.Millisecond
	reg := prometheus.NewRegistry()
	nowhere := &kafka.Client{Addr: kafka.TCP("127.0.0.1:1"), Timeout: time.Second} // patches need no Kafka
	s := query.New(cfg, db.Conn, nowhere, slog.New(slog.DiscardHandler), reg)
	for i := range uint64(20) {
		db.Put(t, schema.Entry{Tenant: "a", ID: i + 1, Timestamp: 1_707_724_800_000, Action: "x"})
	}
	if err := db.Erase(t.Context(), "tenant = 'a' AND id = 3"); err != nil {
		t.Fatal(err)
	}
	defer background(t, s.Run)()
	eventually(t, func() bool {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "activity_query_patch_applies_total" {
				return f.GetMetric()[0].GetCounter().GetValue() >= 1
			}
		}
		return false
	}, "the patches are applied")
	eventually(t, func() bool {
		var mutations uint64
		const failed = "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND NOT is_done"
		if err := db.Conn.QueryRow(t.Context(), failed).Scan(&mutations); err != nil {
			t.Fatal(err)
		}
		return mutations == 0
	}, "no mutation is left over")
}

func TestReplicasShareTheKeyOfCursors(t *testing.T) {
	db := fixture.Open(t, testbed.ClickHouse(t))
	for i := range uint64(4) {
		db.Put(t, schema.Entry{Tenant: "a", ID: i + 1, Timestamp: 1_707_724_800_000, Action: "x"})
	}
	var all sync.WaitGroup
	pages := make([]query.Page, 3)
	f, _ := query.NewFilter(of("a"))
	stores := make([]*query.Store, len(pages))
	for i := range pages {
		stores[i] = query.New(query.Defaults(), db.Conn, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
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
	s := query.New(query.Defaults(), conn, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	f, _ := query.NewFilter(of("a"))
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
