package retain

import (
	"context"
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

// TestAWebhookBlocksNobody has a webhook that never answers: notifications beyond the queue count as failed.
func TestAWebhookBlocksNobody(t *testing.T) {
	m := newMetrics(prometheus.NewRegistry())
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	h := newHook(Webhook{URL: server.URL}, slog.New(slog.DiscardHandler), m)
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
