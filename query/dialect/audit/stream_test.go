package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// tailed is a service with streams.
type tailed struct {
	url string
	db  *fixture.Database
}

// serveTails starts a service over db, or over a new database if db is nil. Its streams end when drain is closed.
func serveTails(t *testing.T, db *fixture.Database, limits times, drain <-chan struct{}) tailed {
	t.Helper()
	if db == nil {
		db = fixture.Open(t, testbed.ClickHouse(t))
	}
	cfg := backend.Defaults()
	cfg.Query.Tails = 3
	away := &kafka.Client{Addr: kafka.TCP("127.0.0.1:1")} // streams do not use it
	store := backend.New(cfg, db.Conn, away, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = store.Run(ctx) }()
	a := New(Store{Reads: store, Streams: store}, slog.New(slog.DiscardHandler))
	a.times = limits
	r := chi.NewRouter()
	a.Routes(r)
	server := httptest.NewUnstartedServer(r)
	server.Config.BaseContext = func(net.Listener) context.Context {
		return api.WithDrain(schema.WithPrincipal(context.Background(), schema.Anonymous()), drain)
	}
	server.Start()
	t.Cleanup(func() { server.Close(); cancel(); <-ended })
	return tailed{server.URL + path + "/stream", db}
}

// reader reads the events of a stream.
type reader struct {
	t       *testing.T
	res     *http.Response
	lines   *bufio.Scanner
	id      string // the last id
	comment bool   // a comment was read
	cancel  context.CancelFunc
}

func (s tailed) open(t *testing.T, parameters, lastEventID string) *reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.url+parameters, nil)
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, res: res, lines: bufio.NewScanner(res.Body), id: lastEventID, cancel: cancel}
	t.Cleanup(r.close)
	return r
}

func (r *reader) close() {
	r.cancel()
	_ = r.res.Body.Close()
}

// block reads up to an empty line: an event, or a comment and an id. ok is false at the end of the stream.
func (r *reader) block() (event, data string, ok bool) {
	for r.lines.Scan() {
		name, value, _ := strings.Cut(r.lines.Text(), ": ")
		switch name {
		case "":
			if strings.HasPrefix(r.lines.Text(), ":") {
				r.comment = true
				continue
			}
			return event, data, true
		case "id":
			r.id = value
		case "event":
			event = value
		case "data":
			data = value
		}
	}
	return "", "", false
}

// event reads the next event.
func (r *reader) event() (event, data string) {
	r.t.Helper()
	for {
		event, data, ok := r.block()
		if !ok {
			r.t.Fatalf("the stream has ended: %v", r.lines.Err())
		}
		if event != "" {
			return event, data
		}
	}
}

// entry reads the next event, an entry, and returns its action.
func (r *reader) entry() string {
	r.t.Helper()
	event, data := r.event()
	var it item
	if err := json.Unmarshal([]byte(data), &it); err != nil || event != "entry" {
		r.t.Fatalf("got %s %s, %v, want an entry", event, data, err)
	}
	return it.Action
}

func put(t *testing.T, db *fixture.Database, ids ...uint64) {
	t.Helper()
	var all []schema.Entry
	for _, id := range ids {
		all = append(all, schema.Entry{Tenant: schema.DefaultTenant, ID: id, Timestamp: int64(id), Action: fmt.Sprint("a", id), Platform: fmt.Sprint("p", id%2), Detail: "a\nb"})
	}
	db.Put(t, all...)
}

func TestStream(t *testing.T) {
	drain := make(chan struct{})
	s := serveTails(t, nil, streamTimes, drain)
	put(t, s.db, 1)
	r := s.open(t, "", "")
	if got := r.res.Header.Get("Content-Type"); r.res.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("got %d, %s", r.res.StatusCode, got)
	}
	r.block() // from now on
	odd := s.open(t, "?platform=p1", "")
	odd.block()
	put(t, s.db, 2, 3, 4)
	for _, want := range []string{"a2", "a3"} {
		if got := r.entry(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	r.close()
	put(t, s.db, 5)
	for _, want := range []string{"a3", "a5"} {
		if got := odd.entry(); got != want {
			t.Errorf("filtered: got %s, want %s", got, want)
		}
	}
	// Another service continues the stream; it gets the id as a parameter.
	other := serveTails(t, s.db, streamTimes, drain).open(t, "?lastEventId="+r.id, "")
	for _, want := range []string{"a4", "a5"} {
		if got := other.entry(); got != want {
			t.Errorf("behind a3: got %s, want %s", got, want)
		}
	}
	close(drain)
	for _, r := range []*reader{odd, other} {
		if event, data := r.event(); event != "end" || data != `{"reason":"the service stops"}` {
			t.Errorf("at the end of the service: got %s %s", event, data)
		}
		if _, _, ok := r.block(); ok {
			t.Error("the stream goes on behind its end")
		}
	}
}

func TestStreamHeartbeat(t *testing.T) {
	s := serveTails(t, nil, times{10 * time.Millisecond, time.Minute}, nil)
	r := s.open(t, "", "")
	for !r.comment {
		r.block()
	}
}

func TestStreamCutsTheSlow(t *testing.T) {
	s := serveTails(t, nil, times{time.Minute, 0}, nil) // every client is too slow
	r := s.open(t, "", "")
	r.block()
	put(t, s.db, 1)
	if got := r.entry(); got != "a1" {
		t.Errorf("got %s", got)
	}
	if event, data := r.event(); event != "end" || data != `{"reason":"too slow"}` {
		t.Errorf("got %s %s", event, data)
	}
}

func TestStreamRefuses(t *testing.T) {
	s := serveTails(t, nil, streamTimes, nil)
	for parameters, want := range map[string]int{"?lastEventId=x": 400, "?startDate=x": 400, "?lastEventId=p0:1/2": 400} {
		if res := s.open(t, parameters, "").res; res.StatusCode != want {
			t.Errorf("%s: got %d, want %d", parameters, res.StatusCode, want)
		}
	}
	for range 3 {
		if res := s.open(t, "", "").res; res.StatusCode != http.StatusOK {
			t.Fatalf("got %d", res.StatusCode)
		}
	}
	if res := s.open(t, "", "").res; res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: got %d, %v", res.StatusCode, res.Header)
	}
}
