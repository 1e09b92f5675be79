package collector

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/ingest/collector"
	"github.com/activitylog/activitylog/schema"
)

// Three slow uploads of 1 MiB hold nearly all that MAX_PENDING_BYTES allows. A minute later another caller writes at once, and the
// oldest of them has been told why it had to stop.
func TestSlowUploadsGiveWay(t *testing.T) {
	const size = 1 << 20
	var jump atomic.Int64
	cfg := collector.Defaults()
	broker := testbed.Kafka(t, 1)
	cfg.Topic, cfg.MaxBodyBytes, cfg.MaxPendingBytes = broker.Topic(), size, 3*(size+1)
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
	c := collector.New(cfg, broker.Client(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	p := service.NewProcess(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := p.Start(t.Context(), service.Part{Name: "collector", Run: c.Run, Ready: c.Ready, Routes: c.Routes}); err != nil {
		t.Fatal(err)
	}
	everybody := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(schema.WithPrincipal(r.Context(), schema.Anonymous())))
		})
	}
	addr, err := p.Listen(t.Context(), service.HTTP{Addr: "127.0.0.1:0", MaxConns: 100}, everybody)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(func() {
		cancel()
		if err := p.Drain(); err != nil {
			t.Errorf("Drain: %v", err)
		}
	})
	post := func(proto string, body io.Reader, length int64) (int, string) {
		tr := &http.Transport{Protocols: new(http.Protocols)}
		tr.Protocols.SetHTTP1(proto == "HTTP/1.1")
		tr.Protocols.SetUnencryptedHTTP2(proto != "HTTP/1.1")
		defer tr.CloseIdleConnections()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/api/v1/activity_log", body)
		if err != nil {
			return 0, err.Error()
		}
		req.ContentLength = length
		res, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer func() { _ = res.Body.Close() }()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	entry := `{"action_type":"quick"}`
	quick := func() (int, string) { return post("HTTP/1.1", strings.NewReader(entry), int64(len(entry))) }
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if status, text := quick(); status == 200 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("got %d %s", status, text)
		}
	}
	slow := make(chan string, 3)
	for i := range 3 {
		reader, writer := io.Pipe()
		defer func() { _ = writer.Close() }()
		go func() {
			status, text := post([]string{"HTTP/1.1", "HTTP/2"}[i%2], reader, size)
			slow <- fmt.Sprint(status, text)
		}()
		go func() { _, _ = io.WriteString(writer, strings.Repeat(" ", size-1)) }()
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if status, _ := quick(); status == 503 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("got %d: the uploads do not hold the memory", status)
		}
	}
	jump.Store(int64(time.Minute))
	if status, text := quick(); status != 200 {
		t.Errorf("a minute later: got %d %s, want 200", status, text)
	}
	select {
	case got := <-slow:
		if !strings.Contains(got, "408") || !strings.Contains(got, "body: arrived too slowly while memory was short") {
			t.Errorf("a slow upload: got %s, want 408 and why", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("no upload gave way")
	}
	if n := len(slow); n > 0 {
		t.Errorf("%d more gave way than had to", n)
	}
}
