package retain_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/query/internal/fixture/pipeline"
	"github.com/activitylog/activitylog/query/retain"
	"github.com/activitylog/activitylog/schema"
)

// hooked is a webhook that remembers the notifications that it gets. It answers with the statuses first.
type hooked struct {
	*httptest.Server
	mu       sync.Mutex // guards what follows
	statuses []int
	got      []retain.Cleaned
	auth     []string
}

func newHooked(t *testing.T, statuses ...int) *hooked {
	h := &hooked{statuses: statuses}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c retain.Cleaned
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil || r.Method != http.MethodPost {
			t.Errorf("notified by %s: %v", r.Method, err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.got, h.auth = append(h.got, c), append(h.auth, r.Header.Get("Authorization"))
		if len(h.statuses) > 0 {
			w.WriteHeader(h.statuses[0])
			h.statuses = h.statuses[1:]
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hooked) calls() []retain.Cleaned {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.got
}

func counted(t *testing.T, p *pipeline.Pipeline, tenant string) uint64 {
	t.Helper()
	n, err := p.Backend.Count(t.Context(), pipeline.Filter(t, tenant, schema.Match{}))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCleanupTakesWhatTheCountDropsBy(t *testing.T) {
	fixture.SameDay(t)
	p := pipeline.Start(t, 20*time.Second)
	h := newHooked(t, http.StatusInternalServerError)
	s := p.Replica(func(c *backend.Config) { c.Retain.Webhook = retain.Webhook{URL: h.URL, Secret: "s3cret"} })
	ctx := t.Context()
	for i, days := range []int{0, 6, 7, 8, 20, 45, 46} { // the last one has expired
		p.WriteAged("a", i%pipeline.Partitions, i+1, days)
	}
	p.WriteAged("b", 0, 5, 20)
	for _, c := range []struct {
		days  int
		taken uint64
	}{{400, 0}, {45, 0}, {0, 0}, {20, 6}, {7, 4 + 5}, {7, 0}, {1, 2 + 3}} {
		before := counted(t, p, "a")
		n, err := s.Cleanup(ctx, pipeline.Of("a"), c.days)
		if err != nil || n != c.taken {
			t.Errorf("up to %d days: got %d, %v, want %d", c.days, n, err, c.taken)
		}
		if after := counted(t, p, "a"); before-after != n {
			t.Errorf("up to %d days: %d were deleted, the count went from %d to %d", c.days, n, before, after)
		}
	}
	if got := p.Shown("a"); len(got) != 1 {
		t.Errorf("a is left with %v, want one", got)
	}
	if got := p.Shown("b"); len(got) != 5 {
		t.Errorf("b is left with %v, want all five", got)
	}
	reader := pipeline.Of("a")
	reader.Scopes = []schema.Scope{schema.ScopeRead, schema.ScopeDelete}
	if _, err := s.Cleanup(ctx, reader, 1); !errors.Is(err, schema.ErrForbidden) {
		t.Errorf("without the scope admin: got %v, want forbidden", err)
	}
	if _, err := s.Cleanup(ctx, pipeline.Of("a"), -1); !errors.Is(err, schema.ErrInvalid) {
		t.Errorf("-1 days: got %v, want invalid", err)
	}
	pipeline.Eventually(t, func() bool { return len(h.calls()) == 8 }, "the webhook is notified of each cleanup, of the first one twice")
	day := time.Now().UTC().AddDate(0, 0, -20).Format(time.DateOnly)
	if c := h.calls()[4]; c.Tenant != "a" || c.Days != 20 || c.DeletedCount != 6 || c.Before != day || c.At.IsZero() || h.auth[4] != "Bearer s3cret" {
		t.Errorf("the webhook got %+v, %q", c, h.auth[4])
	}
}

// TestExpiredEntriesAreErasedOnce lets several replicas clean up for a tenant with a shorter retention than others.
func TestExpiredEntriesAreErasedOnce(t *testing.T) {
	fixture.SameDay(t)
	p := pipeline.Start(t, 20*time.Second)
	h := newHooked(t)
	ctx := t.Context()
	for i, days := range []int{0, 10, 20, 44} {
		p.WriteAged("a", i%pipeline.Partitions, i+1, days)
		p.WriteAged("b", i%pipeline.Partitions, i+1, days)
	}
	most := uint64(7)
	if c, err := p.Backend.SetRetention(ctx, pipeline.Of("a"), retain.Change{Days: 15, Confirm: &most}); err != nil || c.DryRun || c.Expired != 7 {
		t.Fatalf("got %+v, %v", c, err)
	}
	for range 3 {
		p.Replica(func(c *backend.Config) {
			c.Retain.Webhook, c.Retain.CleanupInterval = retain.Webhook{URL: h.URL}, 200*time.Millisecond
		})
	}
	stored := func(tenant string) (n uint64) {
		if err := p.DB.Conn.QueryRow(ctx, "SELECT count() FROM activity WHERE tenant = ?", tenant).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	pipeline.Eventually(t, func() bool { return stored("a") == 3 && len(h.calls()) > 0 }, "what has expired is erased")
	p.WriteAged("a", 0, 2, 30) // was in Kafka for long
	pipeline.Eventually(t, func() bool { return stored("a") == 3 }, "what has expired before it was stored is erased as well")
	if got := p.Shown("a"); len(got) != 3 {
		t.Errorf("a is left with %v, want three", got)
	}
	if got := p.Shown("b"); len(got) != 10 || stored("b") != 10 {
		t.Errorf("b is left with %v, want all ten", got)
	}
	if c := h.calls()[0]; c.Tenant != "a" || c.Days != 15 || c.DeletedCount != 7 {
		t.Errorf("the webhook got %+v", c)
	}
	var first uint64
	if err := p.DB.Conn.QueryRow(ctx, "SELECT countIf(done AND entries = 7) FROM cleanups").Scan(&first); err != nil || first != 1 {
		t.Errorf("stored %d times, %v, want once", first, err)
	}
}
