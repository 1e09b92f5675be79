package query_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/query/internal/fixture/pipeline"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// TestTailMissesNothing writes through the consumer to every partition while a tail follows. The tail ends at any entry and
// continues from its position at another service: it gets every entry of its tenant once, and the entries of a partition in order.
func TestTailMissesNothing(t *testing.T) {
	p := pipeline.Start(t, 20*time.Second)
	f, err := query.NewFilter(pipeline.Of("a"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := p.Backend.OpenTail(t.Context(), f, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := first.Position()
	first.Close()

	const rounds = 15
	want := map[uint64]bool{}
	var mu sync.Mutex // guards want
	var writers sync.WaitGroup
	for partition := range pipeline.Partitions {
		writers.Go(func() {
			for i := range rounds {
				ids, _ := p.Write("a", partition, 1+(i*7)%23)
				_, _ = p.Write("b", partition, 3)
				mu.Lock()
				for _, id := range ids {
					want[id] = true
				}
				mu.Unlock()
			}
		})
	}
	got := map[uint64]int{}
	total := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(want)
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	finished := func() bool {
		select {
		case <-done:
			return len(got) >= total()
		default:
			return false
		}
	}
	deadline := time.Now().Add(60 * time.Second)
	for cut := 1; !finished(); cut++ {
		if time.Now().After(deadline) {
			t.Fatalf("after %d tails: got %d entries of %d", cut, len(got), total())
		}
		at = followSome(t, p, f, at, cut%40, got)
	}
	for id, n := range got {
		if n != 1 || !want[id] {
			t.Errorf("entry %d: %d times, its tenant's: %v", id, n, want[id])
		}
	}
	// no more entries come
	if followSome(t, p, f, at, 1, got); len(got) != total() {
		t.Errorf("got %d entries, want %d", len(got), total())
	}
}

// followSome follows from a position with another backend, until it has had n entries or no more come, and returns its position.
func followSome(t *testing.T, p *pipeline.Pipeline, f query.Filter, from stored.TailPosition, n int, got map[uint64]int) stored.TailPosition {
	cfg := backend.Defaults()
	cfg.Stored.Topic = p.Broker.Topic()
	s := backend.New(cfg, p.DB.Conn, p.Client, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	defer pipeline.Background(t, s.Run)()
	at, err := stored.ParseTailPosition(from.String())
	if err != nil {
		t.Fatal(err)
	}
	tail, err := s.OpenTail(t.Context(), f, &at)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	for n > 0 {
		found, err := tail.Next(t.Context(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 {
			return tail.Position()
		}
		for _, e := range found[:min(n, len(found))] {
			got[e.ID]++
			from = e.Position
		}
		n -= len(found)
	}
	return from
}

func openTails(t *testing.T, change func(*backend.Config)) (*backend.Backend, *fixture.Database) {
	t.Helper()
	db := fixture.Open(t, testbed.ClickHouse(t))
	cfg := backend.Defaults()
	cfg.Query.CursorSecret = "0123456789abcdef"
	if change != nil {
		change(&cfg)
	}
	unreachable := &kafka.Client{Addr: kafka.TCP("127.0.0.1:1")} // tails do not use it
	s := backend.New(cfg, db.Conn, unreachable, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	t.Cleanup(pipeline.Background(t, s.Run))
	return s, db
}

// TestTailsOfLargeRecords follows from the beginning through records that are larger than a page, and smaller ones.
func TestTailsOfLargeRecords(t *testing.T) {
	s, db := openTails(t, nil)
	f, _ := query.NewFilter(pipeline.Of("default"))
	db.Fill(t, 1_707_724_800_000, 7500, 5) // 5 records of 1500 entries
	db.Fill(t, 1_707_724_800_000, 7800, 52)
	start, _ := stored.ParseTailPosition("")
	tail, err := s.OpenTail(t.Context(), f, &start)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	n, positions := 0, map[string]bool{}
	for n < 15300 {
		found, err := tail.Next(t.Context(), 20*time.Second)
		if err != nil || len(found) == 0 || len(found) > 1000 {
			t.Fatalf("after %d: got %d entries, %v", n, len(found), err)
		}
		for _, e := range found {
			positions[e.Position.String()] = true
		}
		n += len(found)
	}
	if n != 15300 || len(positions) != n {
		t.Errorf("got %d entries with %d positions, want 15300 of each", n, len(positions))
	}
	if found, err := tail.Next(t.Context(), time.Second); err != nil || len(found) != 0 {
		t.Errorf("after all: got %d entries, %v", len(found), err)
	}
}

func TestTailFilters(t *testing.T) {
	s, db := openTails(t, nil)
	f, _ := query.NewFilter(pipeline.Of("a"))
	f.Action = "post"
	db.Put(t, schema.Entry{Tenant: "a", ID: 1, Timestamp: 1, Action: "post"})
	tail, err := s.OpenTail(t.Context(), f, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	before := tail.Position().String()
	db.Put(t, schema.Entry{Tenant: "a", ID: 2, Timestamp: 1, Action: "like"}, schema.Entry{Tenant: "b", ID: 3, Timestamp: 1, Action: "post"})
	if found, err := tail.Next(t.Context(), time.Second); err != nil || len(found) != 0 {
		t.Fatalf("got %v, %v, want nothing", found, err)
	}
	if got := tail.Position().String(); got == before {
		t.Errorf("the position stays at %s while others' entries are stored", got)
	}
	db.Put(t, schema.Entry{Tenant: "a", ID: 4, Timestamp: 1, Action: "post"}, schema.Entry{Tenant: "a", ID: 5, Timestamp: 1, Action: "post"})
	found, err := tail.Next(t.Context(), 20*time.Second)
	if err != nil || len(found) != 2 || found[0].ID != 4 || found[1].ID != 5 {
		t.Fatalf("got %v, %v, want entries 4 and 5", found, err)
	}
	again, err := s.OpenTail(t.Context(), f, &found[0].Position)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if found, err := again.Next(t.Context(), 20*time.Second); err != nil || len(found) != 1 || found[0].ID != 5 {
		t.Fatalf("behind entry 4: got %v, %v, want entry 5", found, err)
	}
}

func TestTailsAreFew(t *testing.T) {
	s, _ := openTails(t, func(c *backend.Config) { c.Query.Tails = 2 })
	f, _ := query.NewFilter(pipeline.Of("a"))
	var open []*query.Tailing
	for range 2 {
		tail, err := s.OpenTail(t.Context(), f, nil)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, tail)
	}
	if _, err := s.OpenTail(t.Context(), f, nil); !errors.Is(err, schema.ErrUnavailable) || api.RetryAfter(err) == 0 {
		t.Errorf("one too many: got %v", err)
	}
	open[0].Close()
	tail, err := s.OpenTail(t.Context(), f, nil)
	if err != nil {
		t.Fatalf("after one has ended: %v", err)
	}
	tail.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open[1].Next(ctx, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	open[1].Close()
}

// TestTailOutlivesAnOutage takes the table away for a while.
func TestTailOutlivesAnOutage(t *testing.T) {
	s, db := openTails(t, nil)
	f, _ := query.NewFilter(pipeline.Of("a"))
	tail, err := s.OpenTail(t.Context(), f, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	db.Put(t, schema.Entry{Tenant: "a", ID: 1, Timestamp: 1, Action: "post"})
	rename := func(from, to string) {
		if err := db.Conn.Exec(t.Context(), fmt.Sprintf("RENAME TABLE %s TO %s", from, to)); err != nil {
			t.Fatal(err)
		}
	}
	rename("activity", "elsewhere")
	if found, err := tail.Next(t.Context(), 2*time.Second); err != nil || len(found) != 0 {
		t.Fatalf("without the table: got %v, %v, want nothing", found, err)
	}
	rename("elsewhere", "activity")
	if found, err := tail.Next(t.Context(), 20*time.Second); err != nil || len(found) != 1 {
		t.Fatalf("with the table again: got %v, %v, want the entry", found, err)
	}
}
