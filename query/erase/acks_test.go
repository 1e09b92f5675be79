package erase_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/produce"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/query/internal/fixture/pipeline"
	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// witness records how many replicas each write asks for; -1 means all that are in sync.
type witness struct {
	kafka.RoundTripper

	mu   sync.Mutex
	acks []int16
}

func (w *witness) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	if p, ok := req.(*produce.Request); ok {
		w.mu.Lock()
		w.acks = append(w.acks, p.Acks)
		w.mu.Unlock()
	}
	return w.RoundTripper.RoundTrip(ctx, addr, req)
}

// TestEveryReplicaAcknowledgesADelete: if a command were lost with one broker, its entries would not be erased.
func TestEveryReplicaAcknowledgesADelete(t *testing.T) {
	const topic = "acks"
	client := testbed.Kafka(t, 1).Client()
	if err := schemakafka.Create(t.Context(), client, schemakafka.Topics(topic, 1, time.Hour)); err != nil {
		t.Fatal(err)
	}
	pipeline.Eventually(t, func() bool {
		res, err := client.Produce(t.Context(), &kafka.ProduceRequest{Topic: topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte{1})})})
		return err == nil && res.Error == nil
	}, "the topic has a record")
	testbed.Confirm(t, client, topic)
	w := &witness{RoundTripper: client.Transport}
	client.Transport = w
	cfg := backend.Defaults()
	cfg.Stored.Topic, cfg.Stored.WaitMax = topic, 500*time.Millisecond
	s := backend.New(cfg, fixture.Open(t, testbed.ClickHouse(t)).Conn, client, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	defer pipeline.Background(t, s.Run)()
	if err := s.DeleteAll(t.Context(), pipeline.Of("a")); !errors.Is(err, schema.ErrTimeout) { // no consumer applies it
		t.Errorf("delete all: got %v, want timed out", err)
	}
	if want := []int16{int16(kafka.RequireAll)}; !slices.Equal(slices.Compact(w.acks), want) {
		t.Errorf("the command asks for the replicas %v, want %v", w.acks, want)
	}
}
