package fleet_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/ingest/consumer"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/dialect/fleet"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
)

// TestDeletes replays testdata/deletes/*.http on entries from Kafka that may not be stored yet.
func TestDeletes(t *testing.T) {
	b, db, log := testbed.Kafka(t, 2), fixture.Open(t, testbed.ClickHouse(t)), slog.New(slog.DiscardHandler)
	client := b.Client()
	b.Lease(1) // of the ids that the test numbers its entries with
	cfg := consumer.Defaults()
	cfg.Topic, cfg.Brokers, cfg.ClickHouse = b.Topic(), []string{b.Addr()}, db.Options
	background(t, consumer.New(cfg, client, log, prometheus.NewRegistry()).Run)
	reads := backend.Defaults()
	reads.Stored.Topic = b.Topic()
	store := backend.New(reads, db.Conn, client, log, prometheus.NewRegistry())
	background(t, store.Run)
	publish(t, b, 123, entries()[:4])
	r := chi.NewRouter()
	r.Use(anonymous)
	fleet.New(store, store, fleet.Config{}, log).Routes(r)
	replay(t, r, "testdata/deletes/deletes.http")
	b.Stop()
	replay(t, r, "testdata/deletes/outage.http")
}

func background(t *testing.T, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// publish writes entries with the ids from first on as one record and waits for the acknowledgement.
func publish(t *testing.T, b *testbed.Broker, first uint64, entries []schema.Entry) {
	t.Helper()
	var c schema.Chunk
	c.Reset(schema.DefaultTenant, time.Now().UnixMilli())
	for i := range entries {
		c.Add(&entries[i], nil)
	}
	c.Seal(first)
	res, err := b.Client().Produce(t.Context(), &kafka.ProduceRequest{
		Topic: b.Topic(), Partition: 1, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Value: kafka.NewBytes(schema.AppendChunk(schema.AppendRecordHeader(nil), &c))}),
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		t.Fatal(err)
	}
}
