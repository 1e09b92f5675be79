package query_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/schema"
)

// filter is one of the tenant's with conditions.
func filter(t *testing.T, tenant string, m schema.Match) query.Filter {
	t.Helper()
	f, err := query.NewFilter(of(tenant))
	if err != nil {
		t.Fatal(err)
	}
	f.Match = m
	return f
}

func TestEraseMatching(t *testing.T) {
	p := startPipeline(t, 20*time.Second)
	ctx := t.Context()
	p.write("a", 0, 5)
	mine, _ := p.write("a", 1, 7)
	p.write("b", 1, 4)
	n, err := p.store.EraseMatching(ctx, of("a"), filter(t, "a", schema.Match{Device: "d1"})) // still in Kafka, perhaps
	if err != nil || n != 7 {
		t.Fatalf("erase a device: got %d, %v, want 7", n, err)
	}
	got := p.shown("a")
	if len(got) != 6 || got[mine[0]] { // the other five, and what tells of the erasure
		t.Errorf("after it: got %v", got)
	}
	if other := p.shown("b"); len(other) != 4 {
		t.Errorf("of the other tenant: got %v, want 4", other)
	}
	page, err := p.store.List(ctx, query.Listing{Filter: filter(t, "a", schema.Match{Action: "activity.erase"}), Limit: 10, Fields: query.Everything})
	if err != nil || len(page.Entries) != 1 {
		t.Fatalf("entries that tell of it: got %+v, %v, want one", page.Entries, err)
	}
	if e := page.Entries[0]; e.ActorID != "anonymous" || !strings.Contains(e.Details, `"what":"entries with device \"d1\"","deletedCount":7,"position":"p0:1,p1:2`) || e.ID < 1<<52 {
		t.Errorf("got %+v", e)
	}
	var what string
	if err := p.db.Conn.QueryRow(ctx, "SELECT concat(what, ', ', by) FROM erasures WHERE tenant = 'a'").Scan(&what); err != nil || what != `entries with device "d1", anonymous` {
		t.Errorf("the log of erasures: got %q, %v", what, err)
	}
	if n, err := p.store.EraseMatching(ctx, of("a"), filter(t, "a", schema.Match{Device: "d1"})); err != nil || n != 0 {
		t.Errorf("again: got %d, %v, want 0", n, err)
	}
	if got := p.shown("a"); len(got) != 6 {
		t.Errorf("an erasure of nothing changed what is shown: %v", got)
	}
	if err := p.store.EraseOne(ctx, of("a"), mine[0]); !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("erase one that is gone: got %v, want not found", err)
	}
}

func TestEraseMatchingRefuses(t *testing.T) {
	p := startPipeline(t, 10*time.Second)
	writer := of("a")
	writer.Scopes = []schema.Scope{schema.ScopeRead, schema.ScopeDelete}
	all := of(schema.AllTenants)
	for name, c := range map[string]struct {
		by   schema.Principal
		of   string
		m    schema.Match
		want error
	}{
		"no condition":       {of("a"), "a", schema.Match{}, schema.ErrInvalid},
		"a bad condition":    {of("a"), "a", schema.Match{Device: "a\x00"}, schema.ErrInvalid},
		"without the scope":  {writer, "a", schema.Match{Device: "d"}, schema.ErrForbidden},
		"of another tenant":  {of("a"), "b", schema.Match{Device: "d"}, schema.ErrForbidden},
		"of no one tenant":   {all, schema.AllTenants, schema.Match{Device: "d"}, schema.ErrForbidden},
		"by all, of one":     {all, "a", schema.Match{Device: "d"}, schema.ErrForbidden},
		"by one, of all":     {of("a"), schema.AllTenants, schema.Match{Device: "d"}, schema.ErrForbidden},
		"a window backwards": {of("a"), "a", schema.Match{Start: 2, End: 1}, schema.ErrInvalid},
	} {
		if n, err := p.store.EraseMatching(t.Context(), c.by, filter(t, c.of, c.m)); !errors.Is(err, c.want) || n != 0 {
			t.Errorf("%s: got %d, %v, want %v", name, n, err, c.want)
		}
	}
	p.broker.Stop()
	if _, err := p.store.EraseMatching(t.Context(), of("a"), filter(t, "a", schema.Match{Device: "d"})); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("Kafka away: got %v, want unavailable", err)
	}
}

// TestErasuresShareOutWhatTheyTake has overlapping erasures, by filter and by id, race with writers while the consumer comes and
// goes: what they say that they took, and what is left, is what was written, each entry once.
func TestErasuresShareOutWhatTheyTake(t *testing.T) {
	p := startPipeline(t, 60*time.Second)
	ctx := t.Context()
	var written, taken, told atomic.Uint64
	var all sync.WaitGroup
	for w := range partitions {
		all.Go(func() {
			for i := range 6 {
				ids, _ := p.write("a", w, 5)
				written.Add(5)
				switch err := p.store.EraseOne(ctx, of("a"), ids[i%5]); {
				case err == nil:
					taken.Add(1)
					told.Add(1)
				case !errors.Is(err, schema.ErrNotFound): // an erasure by filter may have been faster
					t.Errorf("erase %d: %v", ids[i%5], err)
				}
			}
		})
	}
	for w, m := range []schema.Match{{Device: "d0"}, {Action: "post", Platform: "x"}, {Targets: [5]schema.TargetMatch{{Type: schema.DeviceTarget, ID: "d1"}}}} {
		all.Go(func() {
			for range 3 {
				n, err := p.store.EraseMatching(ctx, of("a"), filter(t, "a", m))
				if err != nil {
					t.Errorf("eraser %d: %v", w, err)
				}
				taken.Add(n)
				told.Add(min(n, 1))
			}
		})
	}
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for range 2 {
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(r.IntN(400)) * time.Millisecond):
		}
		p.stopConsumer()
		p.startConsumer()
	}
	all.Wait()
	_, at := p.write("a", 0, 3)
	written.Add(3)
	if err := p.store.Await(ctx, at); err != nil {
		t.Fatal(err)
	}
	left := uint64(len(p.shown("a"))) - told.Load()
	if got := taken.Load() + left; got != written.Load() || left < 3 {
		t.Errorf("%d taken and %d left are %d, want the %d written", taken.Load(), left, got, written.Load())
	}
	if n, err := p.tellings(ctx); err != nil || n != told.Load() {
		t.Errorf("%d entries tell of erasures, %v, want %d", n, err, told.Load())
	}
}

// tellings is how many entries tell of erasures of a.
func (p *pipeline) tellings(ctx context.Context) (n uint64, err error) {
	err = p.db.Conn.QueryRow(ctx, "SELECT count() FROM activity WHERE tenant = 'a' AND action = 'activity.erase'").Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count: %w", err)
	}
	return n, nil
}
