// Package whole_test runs collector, consumer and query service in this process, over a broker and an engine of its own: what only
// all of them together can show, and the race detector can see. The tests of ./cmd run the binaries.
package whole_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/ingest/collector"
	"github.com/activitylog/activitylog/ingest/consumer"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// whole is the path of an entry from its writer to its reader: collector, Kafka, consumer, ClickHouse, store.
type whole struct {
	write  http.Handler
	other  http.Handler // of another collector
	broker *testbed.Broker
	store  *backend.Backend
}

func startWhole(t *testing.T) *whole {
	t.Helper()
	opts, err := clickhouse.ParseDSN(testbed.ClickHouse(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tables.Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w := &whole{broker: testbed.Kafka(t, 3)}
	log, client := slog.New(slog.NewTextHandler(t.Output(), nil)), w.broker.Client()

	through := consumer.Defaults()
	through.Topic, through.Brokers, through.ClickHouse, through.SessionTimeout = w.broker.Topic(), []string{w.broker.Addr()}, opts, 2*time.Second
	out := backend.Defaults()
	out.Stored.Topic, out.Query.CursorSecret, out.Stored.WaitMax = w.broker.Topic(), "0123456789abcdef", 20*time.Second
	w.store = backend.New(out, conn, client, log, prometheus.NewRegistry())
	runAll(t, w.store.Run, consumer.New(through, client, log, prometheus.NewRegistry()).Run)
	w.write, w.other = startCollector(t, w.broker, log), startCollector(t, w.broker, log)
	return w
}

func startCollector(t *testing.T, b *testbed.Broker, log *slog.Logger) http.Handler {
	t.Helper()
	cfg := collector.Defaults()
	cfg.Topic = b.Topic()
	c := collector.New(cfg, b.Client(), log, prometheus.NewRegistry())
	runAll(t, c.Run)
	r := chi.NewRouter()
	c.Routes(r)
	for deadline := time.Now().Add(20 * time.Second); c.Ready(t.Context()) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the collector is not ready: %v", c.Ready(t.Context()))
		}
	}
	return r
}

// runAll runs parts until the test ends.
func runAll(t *testing.T, parts ...func(context.Context) error) {
	t.Helper()
	for _, run := range parts {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		ended := make(chan error, 1)
		go func() { ended <- run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run() = %v, want nil", err)
			}
		})
	}
}

// post writes as the tenant, and returns the data and the position of the response.
func (w *whole) post(t *testing.T, tenant, path, body string, data any) schema.Position {
	t.Helper()
	return post(t, w.write, tenant, path, body, data)
}

func post(t *testing.T, collector http.Handler, tenant, path, body string, data any) schema.Position {
	t.Helper()
	principal := schema.Principal{Tenant: tenant, Subject: "writer", Scopes: []schema.Scope{schema.ScopeIngest}}
	r := httptest.NewRequestWithContext(schema.WithPrincipal(t.Context(), principal), http.MethodPost, path, strings.NewReader(body))
	rec := httptest.NewRecorder()
	collector.ServeHTTP(rec, r)
	text, err := io.ReadAll(rec.Result().Body)
	if err != nil || rec.Code >= 300 {
		t.Fatalf("POST %s: %d %s, %v", path, rec.Code, text, err)
	}
	if err := json.Unmarshal(text, &struct{ Data any }{data}); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	at, err := schema.ParsePosition(rec.Header().Get(schema.PositionHeader))
	if err != nil || len(at) == 0 {
		t.Fatalf("position %q: %v", rec.Header().Get(schema.PositionHeader), err)
	}
	return at
}

// get returns an entry of the tenant once its position is stored.
func (w *whole) get(t *testing.T, tenant string, id uint64, at schema.Position) (schema.Entry, error) {
	t.Helper()
	if err := w.store.Await(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	return w.store.Get(t.Context(), schema.Principal{Tenant: tenant, Subject: "reader", Scopes: []schema.Scope{schema.ScopeRead}}, id)
}

// equal fails unless got equals want and its receive time is between since and now.
func equal(t *testing.T, got, want schema.Entry, since time.Time) {
	t.Helper()
	if at := time.UnixMilli(got.ReceivedAt); at.Before(since.Truncate(time.Millisecond)) || at.After(time.Now()) {
		t.Errorf("received at %v, want a time since %v", at, since)
	}
	want.ReceivedAt = got.ReceivedAt
	if want.Timestamp == 0 {
		want.Timestamp = got.ReceivedAt
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-sent +read:\n%s", diff)
	}
}

// TestWhole: an entry is read back with every field as it was sent, in every dialect, and only by its tenant.
func TestWhole(t *testing.T) {
	w, since := startWhole(t), time.Now()
	everything := schema.Entry{
		Tenant: "acme", Timestamp: 1770883400123, Action: "TICKET_PAY", Platform: "web", Device: "SN-1", ActorID: "abc-123", ActorName: "ada", ActorKind: "business",
		Targets:   []schema.Target{{Type: "TICKET", ID: "t-456", Name: "Lunch"}, {Type: "USER", ID: "7"}},
		RequestID: "req-1", Detail: "paid é\n\"😀\"", Details: `{"amount": 50000.10, "b":{"c":[null,true]}}`,
		Extra: schema.Extra{ActorLabel: "Ada L.", IPAddress: "2001:db8::1", UserAgent: "Mozilla/5.0 (X11)", Layer: "api"},
	}

	t.Run("audit", func(t *testing.T) {
		var data struct{ ID uuid.UUID }
		at := w.post(t, "acme", "/api/v1/activity-logs", `{"action":"TICKET_PAY","timestamp":"2026-02-12T10:03:20.123+02:00","user":{"id":"abc-123","username":"ada","name":"Ada L.","kind":"business"},
			"targets":[{"type":"TICKET","id":"t-456","name":"Lunch"},{"type":"USER","id":"7"}],"detail":"paid \u00e9\n\"\ud83d\ude00\"","details":{"amount": 50000.10, "b":{"c":[null,true]}},
			"platform":"web","serial":"SN-1","ipAddress":"2001:db8::1","userAgent":"Mozilla/5.0 (X11)","requestId":"req-1","layer":"api","eventId":"pay-1"}`, &data)
		id, err := schema.IDOfUUID(data.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := everything
		want.ID = id
		got, err := w.get(t, "acme", id, at)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, want, since)
		if _, err := w.get(t, "other", id, at); api.Status(err) != http.StatusNotFound {
			t.Errorf("another tenant's read: %v, want not found", err)
		}
	})

	t.Run("audit batch", func(t *testing.T) {
		var data struct{ IDs []uuid.UUID }
		at := w.post(t, "acme", "/api/v1/activity-logs/batch", `[{"action":"a"},{"action":"b","targetType":"T","targetId":"1","targetName":"N"},{"action":"c","userId":"u","username":"n"}]`, &data)
		for i, want := range []schema.Entry{
			{Action: "a"}, {Action: "b", Targets: []schema.Target{{Type: "T", ID: "1", Name: "N"}}}, {Action: "c", ActorID: "u", ActorName: "n"},
		} {
			want.Tenant = "acme"
			var err error
			if want.ID, err = schema.IDOfUUID(data.IDs[i]); err != nil {
				t.Fatal(err)
			}
			got, err := w.get(t, "acme", want.ID, at)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, got, want, since)
		}
	})

	t.Run("fleet", func(t *testing.T) {
		var data struct{ ID uint64 }
		at := w.post(t, "acme", "/api/v1/activity_log", `{"platform":"tiktok","serial":"d1","action_type":"post","action_detail":"done","username":"u","timestamp":1707725000,"x":1,"details":{"y":2}}`, &data)
		got, err := w.get(t, "acme", data.ID, at)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, schema.Entry{
			ID: data.ID, Tenant: "acme", Timestamp: 1707725000000, Action: "post", Platform: "tiktok", Device: "d1", ActorName: "u", Detail: "done", Details: `{"y":2,"x":1}`,
		}, since)
	})

	t.Run("a repeat through another collector", func(t *testing.T) {
		const body = `{"action":"once","serial":"d","eventId":"once-1"}`
		var first, again struct{ ID uuid.UUID }
		at := post(t, w.write, "acme", "/api/v1/activity-logs", body, &first)
		behind := post(t, w.other, "acme", "/api/v1/activity-logs", body, &again)
		for partition, offset := range at {
			if behind[partition] <= offset {
				t.Errorf("the repeat is at %v, the first at %v, want it behind in the same partition", behind, at)
			}
		}
		for id, want := range map[uuid.UUID]int{first.ID: http.StatusOK, again.ID: http.StatusNotFound} {
			n, err := schema.IDOfUUID(id)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.get(t, "acme", n, behind); err == nil != (want == http.StatusOK) || err != nil && api.Status(err) != want {
				t.Errorf("reading %s: got %v, want status %d", id, err, want)
			}
		}
	})

	t.Run("JSON of another producer", func(t *testing.T) {
		const partition = 2
		value := fmt.Sprintf(`{"tenant":"acme","timestamp":%d,"receivedAt":%d,"action":"TICKET_PAY","platform":"web","device":"SN-1","actorId":"abc-123","actorName":"ada","actorKind":"business",
			"targets":[{"type":"TICKET","id":"t-456","name":"Lunch"},{"type":"USER","id":"7"}],"requestId":"req-1","detail":"paid é\n\"😀\"","details":{"amount": 50000.10, "b":{"c":[null,true]}},
			"actorLabel":"Ada L.","ipAddress":"2001:db8::1","userAgent":"Mozilla/5.0 (X11)","layer":"api"}`, everything.Timestamp, time.Now().UnixMilli())
		res, err := w.broker.Client().Produce(t.Context(), &kafka.ProduceRequest{
			Topic: w.broker.Topic(), Partition: partition, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Value: kafka.NewBytes([]byte(value))}),
		})
		if err != nil || res.Error != nil {
			t.Fatal(err, res)
		}
		want := everything
		want.ID = schema.ForeignID(partition, res.BaseOffset)
		got, err := w.get(t, "acme", want.ID, schema.Position{partition: res.BaseOffset})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, want, since)
	})
}
