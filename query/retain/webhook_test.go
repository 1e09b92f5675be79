package retain

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/prometheus/client_golang/prometheus"
)

func TestWebhook(t *testing.T) {
	for name, c := range map[string]struct {
		answers []int
		tries   int64
		ok      bool
	}{
		"accepted":          {[]int{200}, 1, true},
		"no content":        {[]int{204}, 1, true},
		"after faults":      {[]int{500, 429, 408, 503, 200}, 5, true},
		"refused":           {[]int{404, 200}, 1, false},
		"somewhere else":    {[]int{302, 200}, 1, false},
		"refused, at last":  {[]int{500, 401}, 2, false},
		"without an answer": {[]int{0, 200}, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			var tries, elsewhere atomic.Int64
			other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
			defer other.Close()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				status := c.answers[tries.Add(1)-1]
				if status == 0 {
					panic(http.ErrAbortHandler)
				}
				w.Header().Set("Location", other.URL)
				w.WriteHeader(status)
			}))
			defer server.Close()
			h := newHook(Webhook{URL: server.URL}, slog.New(slog.DiscardHandler), newMetrics(prometheus.NewRegistry()))
			h.pause = time.Millisecond
			if err := h.notify(t.Context(), Cleaned{Tenant: "a"}); (err == nil) != c.ok {
				t.Errorf("got %v", err)
			}
			if tries.Load() != c.tries || elsewhere.Load() != 0 {
				t.Errorf("got %d tries and %d elsewhere, want %d and none", tries.Load(), elsewhere.Load(), c.tries)
			}
		})
	}
}

// TestAWebhookBlocksNobody uses a webhook that never answers: notifications beyond the queue count as failed.
func TestAWebhookBlocksNobody(t *testing.T) {
	m := newMetrics(prometheus.NewRegistry())
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	h := newHook(Webhook{URL: server.URL}, slog.New(slog.DiscardHandler), m)
	h.drain = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.run(ctx)
	}()
	for range hookQueue + 10 {
		h.send(Cleaned{})
	}
	var failed dto.Metric
	if err := m.webhooks.WithLabelValues("failed").Write(&failed); err != nil || failed.GetCounter().GetValue() < 9 {
		t.Errorf("%v failed, %v, want 9 or 10", failed.GetCounter().GetValue(), err)
	}
	cancel()
	<-done
}

// TestNotificationsAtShutdown: notifications that wait when the process stops are delivered, as far as the drain allows; the rest count as
// failed.
func TestNotificationsAtShutdown(t *testing.T) {
	const queued = 20
	for name, c := range map[string]struct {
		drain            time.Duration
		answer           func(n int64) int // status of the n-th request; 0 hangs
		delivered, fails float64
	}{
		"all":              {10 * time.Second, func(int64) int { return 200 }, queued, 0},
		"after a fault":    {10 * time.Second, func(n int64) int { return map[bool]int{true: 503, false: 200}[n == 2] }, queued, 0},
		"some are refused": {10 * time.Second, func(n int64) int { return map[bool]int{true: 404, false: 200}[n%2 == 0] }, queued / 2, queued / 2},
		"one hangs":        {200 * time.Millisecond, func(n int64) int { return map[bool]int{true: 0, false: 200}[n == 5] }, 4, queued - 4},
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int64
			begun, ended := make(chan struct{}), make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client leaves
				n := requests.Add(1)
				if n == 1 {
					close(begun)
					<-ended // the process begins to stop while the first one is under way
				}
				status := c.answer(n)
				if status == 0 {
					<-r.Context().Done()
					return
				}
				w.WriteHeader(status)
			}))
			defer server.Close()
			m := newMetrics(prometheus.NewRegistry())
			h := newHook(Webhook{URL: server.URL}, slog.New(slog.DiscardHandler), m)
			h.pause, h.drain, h.client.Timeout = time.Millisecond, c.drain, 5*time.Second
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				h.run(ctx)
			}()
			for range queued {
				h.send(Cleaned{})
			}
			<-begun
			cancel()
			close(ended)
			select {
			case <-done:
			case <-time.After(c.drain + 5*time.Second):
				t.Fatal("it has not stopped")
			}
			if got := count(t, m, "ok"); got != c.delivered {
				t.Errorf("%v were delivered, want %v", got, c.delivered)
			}
			if got := count(t, m, "failed"); got != c.fails {
				t.Errorf("%v failed, want %v", got, c.fails)
			}
		})
	}
}

func count(t *testing.T, m *metrics, outcome string) float64 {
	t.Helper()
	var out dto.Metric
	if err := m.webhooks.WithLabelValues(outcome).Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.GetCounter().GetValue()
}

func TestWebhookAddresses(t *testing.T) {
	for url, want := range map[string]bool{
		"": true, "https://example.com/hook?x=1": true, "http://127.0.0.1:1/": true, "http://localhost/": true, "http://[::1]:80/": true,
		"http://example.com/": false, "ftp://127.0.0.1/": false, "https://": false, "/hook": false, "https://user:pw@example.com/": false, "http://10.0.0.1/": false, "::": false,
	} {
		if err := (Webhook{URL: url}).validate(); (err == nil) != want {
			t.Errorf("%q: got %v, want it to be allowed: %v", url, err, want)
		}
	}
}
