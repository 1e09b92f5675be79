package things_test

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/dialect/things"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api/exchange"
)

// entries returns the stored entries of the exchanges in testdata: one from the fleet dialect, and those of a things platform.
func entries() []schema.Entry {
	const at = 1_707_725_000_000
	all := []schema.Entry{
		{
			ID: 123, Timestamp: at, Action: "post", Platform: "tiktok", Device: "device_serial_123", ActorName: "user123",
			Detail: "Published video successfully",
		},
		{
			ID: 124, Timestamp: at + 1000, Action: "task.assign", ActorID: "42", ActorName: "boss", ActorKind: "business",
			Extra: schema.Extra{ActorLabel: "The Boss"},
			Targets: []schema.Target{
				{Type: "TASK", ID: "t-1", Name: "Clean up"},
				{Type: "TASK_LIST", ID: "l-1"},
				{Type: "USER", ID: "7", Name: "Ann"},
				{Type: "THING", ID: "thing-9"},
			},
		},
		{ID: 125, Timestamp: at + 2000, Action: "login", ActorID: "42", Targets: []schema.Target{{Type: "BUSINESS_USER", ID: "42"}, {Type: "Other", ID: "7"}}},
		{
			ID: 126, Timestamp: at + 3000, Action: `say "a", {b: [c]}`, ActorID: "-1", ActorName: "=HYPERLINK(1)",
			Targets: []schema.Target{{Type: "THING", ID: "device_serial_123", Name: "<b>Lamp</b>"}}, Detail: "one\r\ntwo & \x01 \"three\"",
		},
		{ID: 1<<53 - 1, Timestamp: at + 86_400_000, Action: "post", ActorID: "43", Targets: []schema.Target{{Type: "DEVICE", ID: "d-2", Name: "@lamp"}}},
	}
	for i := range all {
		all[i].Tenant = schema.DefaultTenant
	}
	return append(all, schema.Entry{Tenant: "1e5bd9c3-b5cb-4121-935f-d621d1d54a21", ID: 999, Action: "secret", ActorID: "42", Timestamp: at})
}

// newRouter serves the dialect from a ClickHouse with entries and a Kafka.
func newRouter(t *testing.T, fill bool) (http.Handler, *testbed.Broker) {
	t.Helper()
	b, db := testbed.Kafka(t, 1), fixture.Open(t, testbed.ClickHouse(t))
	if fill {
		db.Put(t, entries()...)
	}
	cfg := backend.Defaults()
	cfg.Stored.Topic, cfg.Query.CursorSecret = b.Topic(), "0123456789abcdef"
	log := slog.New(slog.DiscardHandler)
	r := chi.NewRouter()
	r.Use(identified)
	store := backend.New(cfg, db.Conn, b.Client(), log, prometheus.NewRegistry())
	things.New(store, store.Actions, log).Routes(r)
	return r, b
}

// identified replaces authentication: the bearer token names the caller. Without one, the caller is an administrator.
func identified(next http.Handler) http.Handler {
	read := []schema.Scope{schema.ScopeRead}
	known := map[string]schema.Principal{
		"":                   schema.Anonymous(),
		"Bearer access":      {Tenant: schema.DefaultTenant, Subject: "a", Roles: []string{"AccessAdmin"}, Scopes: read},
		"Bearer tenant":      {Tenant: "1e5bd9c3-b5cb-4121-935f-d621d1d54a21", Subject: "t", Roles: []string{"TenantAdmin"}, Scopes: read},
		"Bearer user":        {Tenant: schema.DefaultTenant, Subject: "u", Roles: []string{"User", "administrator"}, Scopes: read},
		"Bearer analyst":     {Tenant: schema.DefaultTenant, Subject: "n", Roles: []string{"analyst"}, Scopes: read},
		"Bearer ADMIN":       {Tenant: schema.DefaultTenant, Subject: "c", Roles: []string{"ADMIN"}, Scopes: read},
		"Bearer admin-write": {Tenant: schema.DefaultTenant, Subject: "w", Roles: []string{"Admin"}, Scopes: []schema.Scope{schema.ScopeIngest}},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if p, ok := known[r.Header.Get("Authorization")]; ok {
			ctx = schema.WithPrincipal(ctx, p)
		} else {
			ctx = schema.WithRefusal(ctx, &schema.Refusal{Kind: schema.ErrUnauthenticated, Issue: "the token has expired", Invalid: true})
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
		name := strings.TrimSuffix(filepath.Base(file), ".http")
		t.Run(name, func(t *testing.T) {
			h, _ := newRouter(t, name != "empty")
			replay(t, h, file)
		})
	}
}

func replay(t *testing.T, h http.Handler, file string) {
	t.Helper()
	exchange.Replay{
		Handler: h,
		Headers: []string{"Content-Type", "Content-Disposition", "Vary", "Allow", "Retry-After", "WWW-Authenticate", "Content-Security-Policy"},
	}.File(t, file)
}
