package things_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/dialect/things"
)

func get(t *testing.T, h http.Handler, method, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, nil))
	return w
}

// TestKafkaUnreachable replays testdata/outage: known actions keep their codes; an action without a code cannot be shown.
func TestKafkaUnreachable(t *testing.T) {
	h, b := newRouter(t, true)
	const shown, unseen = "/actionlogs?Page=1&ItemsPerPage=1", "/actionlogs?Page=2&ItemsPerPage=1"
	if w := get(t, h, http.MethodGet, shown); w.Code != http.StatusOK {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	b.Stop()
	replay(t, h, "testdata/outage/kafka.http")
	b.Start()
	if w := get(t, h, http.MethodGet, unseen); w.Code != http.StatusOK {
		t.Errorf("Kafka reachable again: got %d %s", w.Code, w.Body)
	}
}

func TestClickHouseUnreachable(t *testing.T) {
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{"127.0.0.1:1"}, Protocol: clickhouse.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	cfg := backend.Defaults()
	cfg.Query.CursorSecret = "0123456789abcdef"
	r := chi.NewRouter()
	r.Use(identified)
	log := slog.New(slog.DiscardHandler)
	store := backend.New(cfg, conn, nil, log, prometheus.NewRegistry())
	things.New(store, store.Actions, log).Routes(r)
	replay(t, r, "testdata/outage/clickhouse.http")
}

func TestHead(t *testing.T) {
	h, _ := newRouter(t, true)
	w := get(t, h, http.MethodHead, "/actionlogs.csv?Page=1&ItemsPerPage=1")
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}
