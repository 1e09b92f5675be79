package erase_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/activitylog/activitylog/query/internal/fixture/pipeline"
	"github.com/activitylog/activitylog/schema"
)

func TestDelete(t *testing.T) {
	p := pipeline.Start(t, 10*time.Second)
	ctx := t.Context()
	mine, _ := p.Write("a", 0, 3)
	other, _ := p.Write("b", 0, 2)
	if err := p.Backend.DeleteOne(ctx, pipeline.Of("a"), mine[1]); err != nil { // still in Kafka, perhaps
		t.Fatalf("delete one: %v", err)
	}
	if got := p.Shown("a"); len(got) != 2 || got[mine[1]] {
		t.Errorf("after delete %d: got %v", mine[1], got)
	}
	for name, id := range map[string]uint64{"deleted already": mine[1], "unknown": 9999, "of another tenant": other[0]} {
		if err := p.Backend.DeleteOne(ctx, pipeline.Of("a"), id); !errors.Is(err, schema.ErrNotFound) {
			t.Errorf("%s: got %v, want not found", name, err)
		}
	}
	p.Write("a", 2, 5)
	if err := p.Backend.DeleteAll(ctx, pipeline.Of("a")); err != nil {
		t.Fatalf("delete all: %v", err)
	}
	if got := p.Shown("a"); len(got) != 0 {
		t.Errorf("after delete all: got %v", got)
	}
	if got := p.Shown("b"); len(got) != 2 {
		t.Errorf("of the other tenant: got %v, want 2", got)
	}
	if err := p.Backend.DeleteAll(ctx, pipeline.Of("a")); err != nil {
		t.Errorf("delete all of nothing: %v", err)
	}
	if err := p.Backend.DeleteAll(ctx, schema.Principal{Tenant: "a", Scopes: []schema.Scope{schema.ScopeRead}}); !errors.Is(err, schema.ErrForbidden) {
		t.Errorf("without the scope delete: got %v, want forbidden", err)
	}
	var rows, entries uint64
	if err := p.DB.Conn.QueryRow(ctx, "SELECT count(), sum(entries) FROM erasures WHERE tenant = 'a' AND by = 'anonymous'").Scan(&rows, &entries); err != nil {
		t.Fatal(err)
	}
	if rows != 3 || entries < 3 {
		t.Errorf("erasures logged: got %d of %d entries, want 3 of 3 or more", rows, entries)
	}
}

func TestDeleteAcrossOutages(t *testing.T) {
	p := pipeline.Start(t, time.Second)
	ctx := t.Context()
	ids, at := p.Write("a", 0, 2)
	if err := p.Backend.Await(ctx, at); err != nil {
		t.Fatal(err)
	}
	p.StopConsumer()
	if err := p.Backend.DeleteAll(ctx, pipeline.Of("a")); !errors.Is(err, schema.ErrTimeout) || errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("delete all, nobody stores: got %v, want timed out", err)
	}
	late, at := p.Write("a", 0, 1)
	if err := p.Backend.DeleteOne(ctx, pipeline.Of("a"), late[0]); !errors.Is(err, schema.ErrTimeout) {
		t.Errorf("delete one, nobody stores: got %v, want timed out", err)
	}
	p.StartConsumer()
	pipeline.Eventually(t, func() bool { got := p.Visible("a"); return len(got) == 1 && got[late[0]] }, "the delete-all is carried out, and the later entry stays")
	pipeline.Eventually(t, func() bool { return p.Backend.Await(ctx, at) == nil }, "the later entry is stored, and counted")
	p.Broker.Stop()
	if err := p.Backend.DeleteOne(ctx, pipeline.Of("a"), late[0]); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("Kafka unavailable: got %v, want unavailable", err)
	}
	if got := p.Shown("a"); len(got) != 1 {
		t.Errorf("reads while Kafka is unavailable: got %v, want the one entry besides %v", got, ids)
	}
	p.Broker.Start()
	pipeline.Eventually(t, func() bool {
		err := p.Backend.DeleteOne(ctx, pipeline.Of("a"), late[0])
		return err == nil || errors.Is(err, schema.ErrNotFound) // an earlier try may have been applied late
	}, "deletes work again")
	if got := p.Shown("a"); len(got) != 0 {
		t.Errorf("after the last entry was deleted: got %v, want none", got)
	}
}

// TestDeletesRaceWithWriters runs writers and deleters at once: what was acknowledged before a delete-all is erased when that is
// answered; what was acknowledged after it and what nobody deleted is there at the end.
func TestDeletesRaceWithWriters(t *testing.T) {
	p := pipeline.Start(t, 20*time.Second)
	ctx := t.Context()
	var mu sync.Mutex // guards gone and kept
	gone, kept := map[uint64]bool{}, map[uint64]bool{}
	var all sync.WaitGroup
	for w := range pipeline.Partitions {
		all.Go(func() {
			for i := range 5 {
				ids, _ := p.Write("a", w, 5)
				one := ids[i]
				if err := p.Backend.DeleteOne(ctx, pipeline.Of("a"), one); err != nil && !errors.Is(err, schema.ErrNotFound) {
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
			if err := p.Backend.DeleteAll(ctx, pipeline.Of("a")); err != nil {
				t.Errorf("delete all: %v", err)
			}
			mu.Lock()
			for _, id := range before {
				gone[id] = true
			}
			mu.Unlock()
			for id := range p.Visible("a") {
				for _, b := range before {
					if id == b {
						t.Errorf("%d is shown after it was deleted", id)
					}
				}
			}
		}
	})
	all.Wait()
	last, at := p.Write("a", 0, 7)
	if err := p.Backend.Await(ctx, at); err != nil {
		t.Fatal(err)
	}
	got := p.Shown("a")
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
