package access_test

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/dialect/access"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api/exchange"
)

const document = 1_662_388_800_000 // of the first entry in the API's document, Unix ms

// entries returns the stored entries of the exchanges in testdata.
func entries() []schema.Entry {
	all := []schema.Entry{
		{
			ID: 123, Timestamp: document, Action: "LOGIN", ActorID: "user-456", Details: `{"ipAddress": "192.168.1.100"}`,
			Extra: schema.Extra{ActorLabel: "John Doe"},
		},
		{
			ID: 124, Timestamp: 1_662_392_400_000, Action: "ACCESS_GRANTED",
			Details: `{"userId":"user-789","userName":"Jane Smith","endpointId":"endpoint-001","endpointName":"Main Entrance"}`,
		},
		{ID: 201, Timestamp: document + 86_400_000, Action: "post", Platform: "tiktok", Device: "device_serial_123", ActorName: "user123", Detail: "Published <b>&</b>"},
		{
			ID: 202, Timestamp: document + 86_400_001, Action: "DOOR_OPENED", ActorID: "user-456", ActorName: "jdoe", ActorKind: "business", RequestID: "r-1",
			Targets: []schema.Target{{Type: "DOOR", ID: "d-1", Name: "Main Entrance"}, {Type: "SITE", ID: "s-1"}},
			Details: `{ "userId": 7, "detail": null, "big": 12345678901234567890, "detail ": "ü" }`, Detail: "not shown",
			Extra: schema.Extra{ActorLabel: "John Doe", IPAddress: "10.0.0.1", UserAgent: "curl/8", Layer: "api"},
		},
		{ID: 203, Timestamp: document + 86_400_001, Action: "odd", Details: `{}`},
		{ID: 204, Timestamp: document + 86_400_002, Action: "foreign", Details: `{"cut`},
	}
	for i := range all {
		all[i].Tenant = schema.DefaultTenant
	}
	return append(all, schema.Entry{Tenant: "other", ID: 999, Action: "LOGIN", Timestamp: document})
}

func router(t *testing.T, db *fixture.Database) http.Handler {
	t.Helper()
	queries := backend.Defaults()
	queries.Query.CursorSecret = "0123456789abcdef"
	return routerOf(backend.New(queries, db.Conn, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry()))
}

func routerOf(store *backend.Backend) http.Handler {
	r := chi.NewRouter()
	r.Use(identified)
	access.New(store, slog.New(slog.DiscardHandler)).Routes(r)
	return r
}

// identified accepts three tokens: the one of the API's document, one of an analyst, and one that may only write.
func identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		switch r.Header.Get("Authorization") {
		case "Bearer {access_token}":
			ctx = schema.WithPrincipal(ctx, schema.Anonymous())
		case "Bearer analyst":
			ctx = schema.WithPrincipal(ctx, schema.Principal{Tenant: schema.DefaultTenant, Subject: "n", Roles: []string{schema.RoleAnalyst}, Scopes: []schema.Scope{schema.ScopeRead}})
		case "Bearer writer":
			ctx = schema.WithPrincipal(ctx, schema.Principal{Tenant: schema.DefaultTenant, Subject: "w", Scopes: []schema.Scope{schema.ScopeIngest}})
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// TestExchanges replays testdata/*.http.
func TestExchanges(t *testing.T) {
	files, err := filepath.Glob("testdata/*.http")
	if err != nil || len(files) == 0 {
		t.Fatalf("no exchanges: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".http"), func(t *testing.T) {
			db := fixture.Open(t, testbed.ClickHouse(t))
			if filepath.Base(file) != "empty.http" {
				db.Put(t, entries()...)
			}
			replay(t, router(t, db), file)
		})
	}
}

func replay(t *testing.T, h http.Handler, file string) {
	t.Helper()
	exchange.Replay{
		Handler: h,
		Headers: []string{"Content-Type", "Allow", "Retry-After", "WWW-Authenticate"},
		Varies:  map[string]*regexp.Regexp{"next": regexp.MustCompile(`"nextToken":"([^"]+)"`)},
	}.File(t, file)
}
