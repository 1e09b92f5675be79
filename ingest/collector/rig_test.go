package collector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/ingest/collector"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
)

const path = "/api/v1/activity_log"

// rig is a running collector with its broker.
type rig struct {
	t      testing.TB
	c      *collector.Collector
	broker *testbed.Broker // nil where the test has one of its own
	topic  string
	kafka  *kafka.Client
	server *httptest.Server
	reg    *prometheus.Registry
	cancel func() // makes the collector stop
	stop   func() // and waits
}

// start runs a collector with the defaults as changed by change.
func start(t testing.TB, partitions int, change func(*collector.Config)) *rig {
	t.Helper()
	broker := testbed.Kafka(t, partitions)
	r := startOn(t, at(broker), broker.Transport(), change)
	r.broker = broker
	return r
}

// address is the broker and the topic of a test.
type address struct{ addr, topic string }

func at(b *testbed.Broker) address { return address{b.Addr(), b.Topic()} }

func startOn(t testing.TB, to address, transport *kafka.Transport, change func(*collector.Config)) *rig {
	t.Helper()
	cfg := collector.Defaults()
	cfg.Topic = to.topic
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, topic: to.topic, reg: prometheus.NewRegistry(), kafka: &kafka.Client{Addr: kafka.TCP(to.addr), Transport: transport}}
	r.c = collector.New(cfg, r.kafka, slog.New(slog.DiscardHandler), r.reg)
	router := chi.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			next.ServeHTTP(w, q.WithContext(identify(q)))
		})
	})
	r.c.Routes(router)
	r.c.Fallback(router)
	r.server = httptest.NewServer(router)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.c.Run(ctx) }()
	r.cancel = cancel
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		r.server.Close()
		transport.CloseIdleConnections()
	}
	t.Cleanup(r.stop)
	return r
}

// identify gives a request its principal by its Authorization: "Bearer nobody" is refused, a reader may only read, a writer may
// only write, and any other has every right.
func identify(r *http.Request) context.Context {
	switch r.Header.Get("Authorization") {
	case "Bearer nobody":
		return schema.WithRefusal(r.Context(), &schema.Refusal{Kind: schema.ErrUnauthenticated, Issue: "the token is not valid", Invalid: true})
	case "Bearer reader":
		return schema.WithPrincipal(r.Context(), schema.Principal{Tenant: "acme", Subject: "r", Roles: []string{"ADMIN"}, Scopes: []schema.Scope{schema.ScopeRead}})
	case "Bearer writer":
		return schema.WithPrincipal(r.Context(), schema.Principal{Tenant: "acme", Subject: "w", Scopes: []schema.Scope{schema.ScopeIngest}})
	}
	return schema.WithPrincipal(r.Context(), schema.Anonymous())
}

// ready waits until the collector takes writes.
func (r *rig) ready() *rig {
	r.t.Helper()
	var err error
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = r.c.Ready(r.t.Context()); err == nil {
			return r
		}
	}
	r.t.Fatalf("not ready: %v", err)
	return r
}

// answer is a response of the fleet dialect.
type answer struct {
	Status  int             `json:"-"`
	Header  http.Header     `json:"-"`
	Body    string          `json:"-"`
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`

	ID       uint64    `json:"-"` // of a single entry
	IDs      []*uint64 `json:"-"` // of a batch
	Accepted int       `json:"-"`
	Rejected int       `json:"-"`
	Errors   []struct {
		Index   int
		Code    int
		Message string
	} `json:"-"`
}

// post sends a body with headers given as pairs.
func (r *rig) post(body string, headers ...string) answer {
	r.t.Helper()
	a, err := r.tryPost(body, headers...)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func (r *rig) tryPost(body string, headers ...string) (answer, error) {
	req, err := http.NewRequest(http.MethodPost, r.server.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := r.server.Client().Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{Status: res.StatusCode, Header: res.Header, Body: string(text)}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, errors.New("response is not JSON: " + string(text))
	}
	var data struct {
		ID                 uint64
		IDs                []*uint64
		Accepted, Rejected int
		Errors             []struct {
			Index   int
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal(a.Data, &data); err != nil {
		return a, err
	}
	a.ID, a.IDs, a.Accepted, a.Rejected, a.Errors = data.ID, data.IDs, data.Accepted, data.Rejected, data.Errors
	return a, nil
}

// entry is one entry in the log.
type entry struct {
	*activitypb.Entry
	ID        uint64
	Tenant    string
	Received  int64
	Partition int
	Offset    int64
}

// log reads the whole topic. values are those of its records.
func (r *rig) log(partitions int) (entries []entry, values [][]byte) {
	r.t.Helper()
	for p := range partitions {
		for offset := int64(0); ; {
			res, err := r.kafka.Fetch(r.t.Context(), &kafka.FetchRequest{Topic: r.topic, Partition: p, Offset: offset, MinBytes: 1, MaxBytes: 64 << 20, MaxWait: 10 * time.Millisecond})
			if err != nil || res.Error != nil {
				r.t.Fatal(err, res)
			}
			if offset >= res.HighWatermark {
				break
			}
			for {
				rec, err := res.Records.ReadRecord()
				if err != nil {
					break
				}
				value, err := io.ReadAll(rec.Value)
				if err != nil {
					r.t.Fatal(err)
				}
				var b activitypb.ActivityBatch
				if err := schema.DecodeRecord(value, &b); err != nil {
					r.t.Fatal(err)
				}
				values = append(values, value)
				for _, c := range b.Chunks {
					for i, e := range c.Entries {
						entries = append(entries, entry{e, c.FirstId + uint64(i), c.Tenant, c.ReceivedAt, p, rec.Offset})
					}
				}
				offset = rec.Offset + 1
			}
		}
	}
	return entries, values
}
