package erase_test

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
	"github.com/activitylog/activitylog/query/internal/fixture/pipeline"
	"github.com/activitylog/activitylog/schema"
)

func TestEraseMatching(t *testing.T) {
	p := pipeline.Start(t, 20*time.Second)
	ctx := t.Context()
	p.Write("a", 0, 5)
	mine, _ := p.Write("a", 1, 7)
	p.Write("b", 1, 4)
	n, err := p.Backend.EraseMatching(ctx, pipeline.Of("a"), pipeline.Filter(t, "a", schema.Match{Device: "d1"})) // still in Kafka, perhaps
	if err != nil || n != 7 {
		t.Fatalf("erase a device: got %d, %v, want 7", n, err)
	}
	got := p.Shown("a")
	if len(got) != 6 || got[mine[0]] { // the other five, and the audit entry
		t.Errorf("after it: got %v", got)
	}
	if other := p.Shown("b"); len(other) != 4 {
		t.Errorf("of the other tenant: got %v, want 4", other)
	}
	page, err := p.Backend.List(ctx, query.Listing{Filter: pipeline.Filter(t, "a", schema.Match{Action: "activity.erase"}), Limit: 10, Fields: query.Everything})
	if err != nil || len(page.Entries) != 1 {
		t.Fatalf("audit entries: got %+v, %v, want one", page.Entries, err)
	}
	if e := page.Entries[0]; e.ActorID != "anonymous" || !strings.Contains(e.Details, `"what":"entries with device \"d1\"","deletedCount":7,"position":"p0:1,p1:2`) || e.ID < 1<<52 {
		t.Errorf("got %+v", e)
	}
	var what string
	if err := p.DB.Conn.QueryRow(ctx, "SELECT concat(what, ', ', by) FROM erasures WHERE tenant = 'a'").Scan(&what); err != nil || what != `entries with device "d1", anonymous` {
		t.Errorf("the log of erasures: got %q, %v", what, err)
	}
	if n, err := p.Backend.EraseMatching(ctx, pipeline.Of("a"), pipeline.Filter(t, "a", schema.Match{Device: "d1"})); err != nil || n != 0 {
		t.Errorf("again: got %d, %v, want 0", n, err)
	}
	if got := p.Shown("a"); len(got) != 6 {
		t.Errorf("an erasure of nothing changed what is shown: %v", got)
	}
	if err := p.Backend.EraseOne(ctx, pipeline.Of("a"), mine[0]); !errors.Is(err, schema.ErrNotFound) {
		t.Errorf("erase one that is gone: got %v, want not found", err)
	}
}

func TestEraseMatchingRefuses(t *testing.T) {
	p := pipeline.Start(t, 10*time.Second)
	writer := pipeline.Of("a")
	writer.Scopes = []schema.Scope{schema.ScopeRead, schema.ScopeDelete}
	all := pipeline.Of(schema.AllTenants)
	for name, c := range map[string]struct {
		by   schema.Principal
		of   string
		m    schema.Match
		want error
	}{
		"no condition":       {pipeline.Of("a"), "a", schema.Match{}, schema.ErrInvalid},
		"a bad condition":    {pipeline.Of("a"), "a", schema.Match{Device: "a\x00"}, schema.ErrInvalid},
		"without the scope":  {writer, "a", schema.Match{Device: "d"}, schema.ErrForbidden},
		"of another tenant":  {pipeline.Of("a"), "b", schema.Match{Device: "d"}, schema.ErrForbidden},
		"of no one tenant":   {all, schema.AllTenants, schema.Match{Device: "d"}, schema.ErrForbidden},
		"by all, of one":     {all, "a", schema.Match{Device: "d"}, schema.ErrForbidden},
		"by one, of all":     {pipeline.Of("a"), schema.AllTenants, schema.Match{Device: "d"}, schema.ErrForbidden},
		"a window backwards": {pipeline.Of("a"), "a", schema.Match{Start: 2, End: 1}, schema.ErrInvalid},
	} {
		if n, err := p.Backend.EraseMatching(t.Context(), c.by, pipeline.Filter(t, c.of, c.m)); !errors.Is(err, c.want) || n != 0 {
			t.Errorf("%s: got %d, %v, want %v", name, n, err, c.want)
		}
	}
	p.Broker.Stop()
	if _, err := p.Backend.EraseMatching(t.Context(), pipeline.Of("a"), pipeline.Filter(t, "a", schema.Match{Device: "d"})); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("Kafka unavailable: got %v, want unavailable", err)
	}
}

// TestErasuresShareOutWhatTheyTake runs overlapping erasures, by filter and by id, together with writers while the consumer restarts: the
// entries that they report plus the remaining entries are the written ones, each once.
func TestErasuresShareOutWhatTheyTake(t *testing.T) {
	p := pipeline.Start(t, 60*time.Second)
	ctx := t.Context()
	var written, taken, audited atomic.Uint64
	var all sync.WaitGroup
	for w := range pipeline.Partitions {
		all.Go(func() {
			for i := range 6 {
				ids, _ := p.Write("a", w, 5)
				written.Add(5)
				switch err := p.Backend.EraseOne(ctx, pipeline.Of("a"), ids[i%5]); {
				case err == nil:
					taken.Add(1)
					audited.Add(1)
				case !errors.Is(err, schema.ErrNotFound): // an erasure by filter may have been faster
					t.Errorf("erase %d: %v", ids[i%5], err)
				}
			}
		})
	}
	for w, m := range []schema.Match{{Device: "d0"}, {Action: "post", Platform: "x"}, {Targets: [5]schema.TargetMatch{{Type: schema.DeviceTarget, ID: "d1"}}}} {
		all.Go(func() {
			for range 3 {
				n, err := p.Backend.EraseMatching(ctx, pipeline.Of("a"), pipeline.Filter(t, "a", m))
				if err != nil {
					t.Errorf("eraser %d: %v", w, err)
				}
				taken.Add(n)
				audited.Add(min(n, 1))
			}
		})
	}
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for range 2 {
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(r.IntN(400)) * time.Millisecond):
		}
		p.StopConsumer()
		p.StartConsumer()
	}
	all.Wait()
	_, at := p.Write("a", 0, 3)
	written.Add(3)
	if err := p.Backend.Await(ctx, at); err != nil {
		t.Fatal(err)
	}
	left := uint64(len(p.Shown("a"))) - audited.Load()
	if got := taken.Load() + left; got != written.Load() || left < 3 {
		t.Errorf("%d taken and %d left are %d, want the %d written", taken.Load(), left, got, written.Load())
	}
	if n, err := auditEntries(ctx, p); err != nil || n != audited.Load() {
		t.Errorf("%d audit entries, %v, want %d", n, err, audited.Load())
	}
}

// auditEntries is how many audit entries there are about erasures of a.
func auditEntries(ctx context.Context, p *pipeline.Pipeline) (n uint64, err error) {
	err = p.DB.Conn.QueryRow(ctx, "SELECT count() FROM activity WHERE tenant = 'a' AND action = 'activity.erase'").Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count: %w", err)
	}
	return n, nil
}
