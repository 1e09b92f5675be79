package query_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
)

// writeAged has n entries of tenant, received days ago, acknowledged by the partition.
func (p *pipeline) writeAged(tenant string, partition, n, days int) {
	p.t.Helper()
	received := time.Now().UTC().AddDate(0, 0, -days).UnixMilli()
	first := p.ids.Add(uint64(n)) - uint64(n) + 1
	var c schema.Chunk
	c.Reset(tenant, received)
	for i := range n {
		c.Add(&schema.Entry{Timestamp: 1_707_724_800_000 + int64(i), Action: "post", Device: "d"}, nil)
	}
	c.Seal(first)
	at := p.produce(partition, schema.AppendChunk(schema.AppendRecordHeader(nil), &c))
	if err := p.store.Await(p.t.Context(), schema.Position{partition: at}); err != nil {
		p.t.Fatal(err)
	}
}

// hooked is a server that notes what it is told, and answers with the statuses first.
type hooked struct {
	*httptest.Server
	mu       sync.Mutex // guards what follows
	statuses []int
	told     []query.Cleaned
	auth     []string
}

func newHooked(t *testing.T, statuses ...int) *hooked {
	h := &hooked{statuses: statuses}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c query.Cleaned
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil || r.Method != http.MethodPost {
			t.Errorf("told by %s: %v", r.Method, err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.told, h.auth = append(h.told, c), append(h.auth, r.Header.Get("Authorization"))
		if len(h.statuses) > 0 {
			w.WriteHeader(h.statuses[0])
			h.statuses = h.statuses[1:]
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hooked) calls() []query.Cleaned {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.told
}

// replica is another store over the pipeline's databases, which runs until the test ends.
func (p *pipeline) replica(change func(*query.Config)) *query.Store {
	p.t.Helper()
	cfg := query.Defaults()
	cfg.Topic, cfg.WaitMax, cfg.CursorSecret = p.broker.Topic(), 20*time.Second, "0123456789abcdef"
	change(&cfg)
	if err := cfg.Validate(); err != nil {
		p.t.Fatal(err)
	}
	s := query.New(cfg, p.db.Conn, p.client, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	p.t.Cleanup(background(p.t, s.Run))
	return s
}

func (p *pipeline) counted(tenant string) uint64 {
	p.t.Helper()
	n, err := p.store.Count(p.t.Context(), filter(p.t, tenant, schema.Match{}))
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

func TestCleanupTakesWhatTheCountDropsBy(t *testing.T) {
	fixture.SameDay(t)
	p := startPipeline(t, 20*time.Second)
	h := newHooked(t, http.StatusInternalServerError)
	s := p.replica(func(c *query.Config) { c.Webhook = query.Webhook{URL: h.URL, Secret: "s3cret"} })
	ctx := t.Context()
	for i, days := range []int{0, 6, 7, 8, 20, 45, 46} { // the last one has expired
		p.writeAged("a", i%partitions, i+1, days)
	}
	p.writeAged("b", 0, 5, 20)
	for _, c := range []struct {
		days  int
		taken uint64
	}{{400, 0}, {45, 0}, {0, 0}, {20, 6}, {7, 4 + 5}, {7, 0}, {1, 2 + 3}} {
		before := p.counted("a")
		n, err := s.Cleanup(ctx, of("a"), c.days)
		if err != nil || n != c.taken {
			t.Errorf("up to %d days: got %d, %v, want %d", c.days, n, err, c.taken)
		}
		if after := p.counted("a"); before-after != n {
			t.Errorf("up to %d days: %d were deleted, the count went from %d to %d", c.days, n, before, after)
		}
	}
	if got := p.shown("a"); len(got) != 1 {
		t.Errorf("a is left with %v, want one", got)
	}
	if got := p.shown("b"); len(got) != 5 {
		t.Errorf("b is left with %v, want all five", got)
	}
	reader := of("a")
	reader.Scopes = []schema.Scope{schema.ScopeRead, schema.ScopeDelete}
	if _, err := s.Cleanup(ctx, reader, 1); !errors.Is(err, schema.ErrForbidden) {
		t.Errorf("without the scope admin: got %v, want forbidden", err)
	}
	if _, err := s.Cleanup(ctx, of("a"), -1); !errors.Is(err, schema.ErrInvalid) {
		t.Errorf("-1 days: got %v, want invalid", err)
	}
	eventually(t, func() bool { return len(h.calls()) == 8 }, "the webhook is told of each cleanup, of the first one twice")
	day := time.Now().UTC().AddDate(0, 0, -20).Format(time.DateOnly)
	if c := h.calls()[4]; c.Tenant != "a" || c.Days != 20 || c.DeletedCount != 6 || c.Before != day || c.At.IsZero() || h.auth[4] != "Bearer s3cret" {
		t.Errorf("the webhook was told %+v, %q", c, h.auth[4])
	}
}

// TestExpiredEntriesAreErasedOnce has several replicas clean up after a tenant that keeps its entries for less than others.
func TestExpiredEntriesAreErasedOnce(t *testing.T) {
	fixture.SameDay(t)
	p := startPipeline(t, 20*time.Second)
	h := newHooked(t)
	ctx := t.Context()
	for i, days := range []int{0, 10, 20, 44} {
		p.writeAged("a", i%partitions, i+1, days)
		p.writeAged("b", i%partitions, i+1, days)
	}
	most := uint64(7)
	if c, err := p.store.SetRetention(ctx, of("a"), query.Change{Days: 15, Confirm: &most}); err != nil || c.DryRun || c.Expired != 7 {
		t.Fatalf("got %+v, %v", c, err)
	}
	for range 3 {
		p.replica(func(c *query.Config) {
			c.Webhook, c.CleanupInterval = query.Webhook{URL: h.URL}, 200*time.Millisecond
		})
	}
	stored := func(tenant string) (n uint64) {
		if err := p.db.Conn.QueryRow(ctx, "SELECT count() FROM activity WHERE tenant = ?", tenant).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, func() bool { return stored("a") == 3 && len(h.calls()) > 0 }, "what has expired is erased")
	p.writeAged("a", 0, 2, 30) // was on its way for long
	eventually(t, func() bool { return stored("a") == 3 }, "what has expired before it was stored is erased as well")
	if got := p.shown("a"); len(got) != 3 {
		t.Errorf("a is left with %v, want three", got)
	}
	if got := p.shown("b"); len(got) != 10 || stored("b") != 10 {
		t.Errorf("b is left with %v, want all ten", got)
	}
	if c := h.calls()[0]; c.Tenant != "a" || c.Days != 15 || c.DeletedCount != 7 {
		t.Errorf("the webhook was told %+v", c)
	}
	var first uint64
	if err := p.db.Conn.QueryRow(ctx, "SELECT countIf(done AND entries = 7) FROM cleanups").Scan(&first); err != nil || first != 1 {
		t.Errorf("noted %d times, %v, want once", first, err)
	}
}
