package access_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
)

// check posts body and compares status and message of the answer, and whether it has a Retry-After.
func check(t *testing.T, h http.Handler, body string, status int, message string, retry bool) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/filterActivity", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer {access_token}")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var got struct{ Message string }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	if w.Code != status || got.Message != message || (w.Header().Get("Retry-After") != "") != retry {
		t.Errorf("got %d %q, Retry-After %q, want %d %q", w.Code, got.Message, w.Header().Get("Retry-After"), status, message)
	}
}

func TestBodyTooLarge(t *testing.T) {
	h := router(t, fixture.Open(t, testbed.ClickHouse(t)))
	check(t, h, strings.Repeat(" ", 64<<10+1), http.StatusRequestEntityTooLarge, "body: at most 65536 bytes", false)
	check(t, h, strings.Repeat(" ", 64<<10), http.StatusOK, "Activity logs retrieved successfully", false)
}

func TestExpiredToken(t *testing.T) {
	db := fixture.Open(t, testbed.ClickHouse(t))
	db.Put(t, entries()...)
	cfg := backend.Defaults()
	cfg.Query.CursorSecret, cfg.Query.CursorMaxAge = "0123456789abcdef", time.Nanosecond
	h := routerOf(backend.New(cfg, db.Conn, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry()))
	next := (&world{handler: h}).post(t, `{"limit":1}`).Data.NextToken
	check(t, h, `{"limit":1,"nextToken":"`+next+`"}`, http.StatusBadRequest, "nextToken: has expired: start again without it", false)
}

func TestClickHouseUnavailable(t *testing.T) {
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{"127.0.0.1:1"}, Protocol: clickhouse.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	cfg := backend.Defaults()
	cfg.Query.CursorSecret = "0123456789abcdef"
	h := routerOf(backend.New(cfg, conn, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry()))
	check(t, h, "{}", http.StatusServiceUnavailable, "temporarily unavailable, try again", true)
}

// TestTenants checks that a token does not show entries of another tenant.
func TestTenants(t *testing.T) {
	db := fixture.Open(t, testbed.ClickHouse(t))
	db.Put(t, entries()...)
	h := router(t, db)
	next := (&world{handler: h}).post(t, `{"limit":1}`).Data.NextToken
	as := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Authorization")
		p := schema.Principal{Tenant: "other", Subject: "o", Scopes: []schema.Scope{schema.ScopeRead}}
		h.ServeHTTP(w, r.WithContext(schema.WithPrincipal(r.Context(), p)))
	})
	check(t, as, `{"limit":1,"nextToken":"`+next+`"}`, http.StatusBadRequest,
		"nextToken: does not belong to this request: send the same fields as for the page before; only limit may change", false)
	var ids []string
	for _, e := range (&world{handler: as}).post(t, "{}").Data.Activities {
		ids = append(ids, e.ID)
	}
	if got := strings.Join(ids, " "); got != "act-999" {
		t.Errorf("the tenant sees %s, want act-999", got)
	}
}
