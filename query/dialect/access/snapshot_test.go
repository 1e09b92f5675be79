package access_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/ingest/consumer"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
)

const (
	partitions = 2
	stored     = 10_000 // entries before the first page
	arriving   = 5_000  // entries that arrive between the pages
	window     = 6 * 3_600_000
)

// TestPagesAreASnapshot pages through 10,000 entries while 5,000 more arrive with timestamps in the same window, some of them in
// Kafka but not stored when the first page is read. Each of the 10,000 is shown once and in order, and no entry that arrived later.
func TestPagesAreASnapshot(t *testing.T) {
	w := newWorld(t)
	for n := 0; n < stored; n += 500 {
		w.publish(t, 500)
	}
	w.await(t)
	for _, c := range []struct{ name, body string }{
		{"newest first", `"end":%[2]d`},
		{"oldest first", `"start":%[1]d,"end":%[2]d`},
		{"of a device", `"start":%[1]d,"serial":"d1","order":"desc"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(w.entries)
			w.publish(t, 200) // may or may not be stored when the first page is read
			early := len(w.entries)
			body := fmt.Sprintf(c.body, document, document+window)
			got := w.page(t, body, early)
			desc := !strings.Contains(body, "start") || strings.Contains(body, "desc")
			checkSnapshot(t, got, w.wanted(body, before, desc), w.wanted(body, early, desc))
			if all := len(w.entries) - early; desc && !strings.Contains(body, "serial") && all < arriving {
				t.Errorf("%d entries arrived, want %d or more", all, arriving)
			}
		})
		w.await(t)
	}
	got := w.page(t, fmt.Sprintf(`"end":%d`, document+window), -1)
	checkSnapshot(t, got, w.wanted("", len(w.entries), true), nil)
}

// checkSnapshot checks that got has each of stored once and otherwise only ids of early, in early's order.
func checkSnapshot(t *testing.T, got, stored, early []string) {
	t.Helper()
	if early == nil {
		early = stored
	}
	shown := map[string]int{}
	for _, id := range got {
		shown[id]++
	}
	for _, id := range stored {
		if shown[id] != 1 {
			t.Fatalf("%s was shown %d times, want once", id, shown[id])
		}
	}
	rest := slices.DeleteFunc(slices.Clone(early), func(id string) bool { return shown[id] == 0 })
	if !slices.Equal(got, rest) {
		t.Fatalf("%d entries are shown of %d to %d, in another order or with others", len(got), len(stored), len(early))
	}
}

// world is a broker, a consumer, and the dialect over them.
type world struct {
	broker  *testbed.Broker
	store   *backend.Backend
	handler http.Handler
	entries []schema.Entry // in the order of their ids, from 1 on
	at      schema.Position
}

func newWorld(t *testing.T) *world {
	b, db, log := testbed.Kafka(t, partitions), fixture.Open(t, testbed.ClickHouse(t)), slog.New(slog.DiscardHandler)
	client := b.Client()
	b.Lease(1) // of the ids that the test numbers its entries with
	cfg := consumer.Defaults()
	cfg.Topic, cfg.Brokers, cfg.ClickHouse = b.Topic(), []string{b.Addr()}, db.Options
	background(t, consumer.New(cfg, client, log, prometheus.NewRegistry()).Run)
	reads := backend.Defaults()
	reads.Stored.Topic, reads.Query.CursorSecret, reads.Stored.WaitMax = b.Topic(), "0123456789abcdef", time.Minute
	store := backend.New(reads, db.Conn, client, log, prometheus.NewRegistry())
	background(t, store.Run)
	return &world{broker: b, store: store, handler: routerOf(store), at: schema.Position{}}
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

// publish writes n more entries as one record and waits for the acknowledgement.
func (w *world) publish(t *testing.T, n int) {
	t.Helper()
	var c schema.Chunk
	c.Reset(schema.DefaultTenant, time.Now().UnixMilli())
	first := len(w.entries)
	for i := range n {
		e := schema.Entry{
			ID: uint64(first + i + 1), Timestamp: document + rand.Int64N(window), Action: "LOGIN", Device: fmt.Sprint("d", i%3),
			Detail: "d",
		}
		w.entries = append(w.entries, e)
		c.Add(&e, nil)
	}
	c.Seal(uint64(first + 1))
	partition := rand.IntN(partitions)
	res, err := w.broker.Client().Produce(t.Context(), &kafka.ProduceRequest{
		Topic: w.broker.Topic(), Partition: partition, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Value: kafka.NewBytes(schema.AppendChunk(schema.AppendRecordHeader(nil), &c))}),
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		t.Fatal(err)
	}
	w.at.Add(partition, res.BaseOffset)
}

// await waits until everything published is stored.
func (w *world) await(t *testing.T) {
	t.Helper()
	if err := w.store.Await(t.Context(), w.at); err != nil {
		t.Fatal(err)
	}
}

// page reads all pages and returns the ids. Unless arrive is negative, more entries arrive between the pages; every other time they
// may not be stored yet when the next page is read.
func (w *world) page(t *testing.T, body string, arrive int) (ids []string) {
	t.Helper()
	next := ""
	for n := 0; n == 0 || next != ""; n++ {
		a := w.post(t, fmt.Sprintf(`{%s,"limit":%d,"nextToken":%q}`, body, 800+n, next))
		for _, e := range a.Data.Activities {
			ids = append(ids, e.ID)
		}
		next = a.Data.NextToken
		if arrive < 0 {
			continue
		}
		w.publish(t, 450)
		if n%2 == 0 {
			w.await(t)
		}
	}
	return ids
}

type answer struct {
	Data struct {
		Activities []struct{ ID string }
		NextToken  string
	}
}

func (w *world) post(t *testing.T, body string) (a answer) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/filterActivity", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer {access_token}")
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", body, rec.Code, rec.Body)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// wanted returns the ids of those of the first n entries that match body, in order.
func (w *world) wanted(body string, n int, desc bool) (ids []string) {
	found := slices.Clone(w.entries[:n])
	if strings.Contains(body, "serial") {
		found = slices.DeleteFunc(found, func(e schema.Entry) bool { return e.Device != "d1" })
	}
	slices.SortFunc(found, func(a, b schema.Entry) int {
		return cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), cmp.Compare(a.ID, b.ID))
	})
	if desc {
		slices.Reverse(found)
	}
	for _, e := range found {
		ids = append(ids, fmt.Sprint("act-", e.ID))
	}
	return ids
}
