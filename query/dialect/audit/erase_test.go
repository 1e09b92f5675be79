package audit_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/ingest/consumer"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/dialect/audit"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
)

// TestErasures replays testdata/erasures/*.http. Each file begins with the entries of the other exchanges and one entry of another
// tenant, written through Kafka; entry i was received 10·i days ago.
func TestErasures(t *testing.T) {
	fixture.SameDay(t)
	for _, name := range []string{"erase", "cleanup", "retention"} {
		t.Run(name, func(t *testing.T) {
			h, b := piped(t)
			replay(t, h, "testdata/erasures/"+name+".http")
			if name == "erase" {
				b.Stop()
				replay(t, h, "testdata/erasures/outage.http")
			}
		})
	}
}

// piped serves the dialect from a store behind Kafka and a consumer that has stored the entries.
func piped(t *testing.T) (http.Handler, *testbed.Broker) {
	t.Helper()
	b, db, log := testbed.Kafka(t, 2), fixture.Open(t, testbed.ClickHouse(t)), slog.New(slog.DiscardHandler)
	client := b.Client()
	b.Lease(1) // of the ids that the test numbers its entries with
	cfg := consumer.Defaults()
	cfg.Topic, cfg.Brokers, cfg.ClickHouse = b.Topic(), []string{b.Addr()}, db.Options
	background(t, consumer.New(cfg, client, log, prometheus.NewRegistry()).Run)
	reads := backend.Defaults()
	reads.Stored.Topic, reads.Stored.WaitMax, reads.Retain.CleanupInterval = b.Topic(), 20*time.Second, time.Hour
	store := backend.New(reads, db.Conn, client, log, prometheus.NewRegistry())
	background(t, store.Run)
	position := schema.Position{}
	for i, e := range entries() {
		partition, offset := publish(t, b, e, time.Now().UTC().AddDate(0, 0, -10*i))
		position.Add(partition, offset)
	}
	if err := store.Await(t.Context(), position); err != nil {
		t.Fatal(err)
	}
	r := chi.NewRouter()
	r.Use(identify)
	audit.New(storeOf(store), log).Routes(r)
	return r, b
}

// publish writes an entry with a time of receipt and waits for the acknowledgement.
func publish(t *testing.T, b *testbed.Broker, e schema.Entry, received time.Time) (partition int, offset int64) {
	t.Helper()
	var c schema.Chunk
	c.Reset(e.Tenant, received.UnixMilli())
	c.Add(&e, nil)
	c.Seal(e.ID)
	partition = int(e.ID % 2)
	res, err := b.Client().Produce(t.Context(), &kafka.ProduceRequest{
		Topic: b.Topic(), Partition: partition, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Value: kafka.NewBytes(schema.AppendChunk(schema.AppendRecordHeader(nil), &c))}),
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		t.Fatal(err)
	}
	return partition, res.BaseOffset
}
