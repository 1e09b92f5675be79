package collector

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/produce"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// witness records how many replicas must acknowledge each write, by topic; -1 stands for all in-sync replicas.
type witness struct {
	kafka.RoundTripper

	mu   sync.Mutex
	acks map[string][]int16
}

func (w *witness) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	if p, ok := req.(*produce.Request); ok {
		w.mu.Lock()
		for _, t := range p.Topics {
			w.acks[t.Topic] = append(w.acks[t.Topic], p.Acks)
		}
		w.mu.Unlock()
	}
	return w.RoundTripper.RoundTrip(ctx, addr, req)
}

// TestEveryReplicaAcknowledges checks that the loss of one broker loses neither an entry nor a block of ids.
func TestEveryReplicaAcknowledges(t *testing.T) {
	client := testbed.Kafka(t, 1).Client()
	w := &witness{RoundTripper: client.Transport, acks: map[string][]int16{}}
	client.Transport = w
	if err := schemakafka.Create(t.Context(), client, schemakafka.Topics("acks", 2, time.Hour)); err != nil {
		t.Fatal(err)
	}
	testbed.Confirm(t, client, "acks")
	cfg := Defaults()
	cfg.Topic = "acks"
	c := New(cfg, client, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	router := chi.NewRouter()
	c.Routes(router)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	for deadline := time.Now().Add(15 * time.Second); c.Ready(ctx) != nil && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	for range 5 {
		r := httptest.NewRequestWithContext(schema.WithPrincipal(ctx, schema.Anonymous()), http.MethodPost, "/api/v1/activity_log", strings.NewReader(`[{"action_type":"a"},{"action_type":"b","serial":"s"}]`))
		rec := httptest.NewRecorder()
		if router.ServeHTTP(rec, r); rec.Code != http.StatusOK {
			t.Fatalf("got %d: %s", rec.Code, rec.Body)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"acks", schemakafka.IDs("acks")} {
		got := slices.Compact(w.acks[topic])
		if want := []int16{int16(kafka.RequireAll)}; !slices.Equal(got, want) {
			t.Errorf("writes to %s must be acknowledged by %v, want %v", topic, got, want)
		}
	}
}
