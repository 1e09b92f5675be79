package fleet_test

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
	"github.com/activitylog/activitylog/query/dialect/fleet"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api/exchange"
)

// entries returns the stored entries of the exchanges in testdata.
func entries() []schema.Entry {
	document := schema.Entry{
		Tenant: schema.DefaultTenant, ID: 123, Platform: "tiktok", Device: "device_serial_123", Action: "post",
		Detail: "Published video successfully", ActorName: "user123", Timestamp: 1_707_725_000_000,
	}
	all := []schema.Entry{document}
	for i, e := range []schema.Entry{
		{Platform: "instagram", Device: "device_serial_456", Action: "follow", Detail: "Followed <b>&</b>", ActorName: "user456"},
		{Platform: "instagram", Device: "device_serial_123", Action: "comment", Detail: "Nice video!", ActorName: "user123"},
		{Action: "login", ActorID: "u-9"},
	} {
		e.Tenant, e.ID, e.Timestamp = schema.DefaultTenant, uint64(124+i), document.Timestamp+int64(i+1)*3_600_500
		all = append(all, e)
	}
	return append(all, schema.Entry{Tenant: "other", ID: 999, Platform: "tiktok", Action: "post", Timestamp: document.Timestamp})
}

func router(t *testing.T, cfg fleet.Config, fill bool) http.Handler {
	t.Helper()
	db := fixture.Open(t, testbed.ClickHouse(t))
	if fill {
		db.Put(t, entries()...)
	}
	queries := backend.Defaults()
	queries.Query.CursorSecret = "0123456789abcdef"
	log := slog.New(slog.DiscardHandler)
	r := chi.NewRouter()
	r.Use(anonymous)
	b := backend.New(queries, db.Conn, nil, log, prometheus.NewRegistry())
	fleet.New(b, b, cfg, log).Routes(r)
	return r
}

func anonymous(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(schema.WithPrincipal(r.Context(), schema.Anonymous())))
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
			name := filepath.Base(file)
			r := router(t, fleet.Config{Always200: name == "always200.http"}, name != "empty.http")
			replay(t, r, file)
		})
	}
}

func replay(t *testing.T, h http.Handler, file string) {
	t.Helper()
	exchange.Replay{
		Handler: h,
		Headers: []string{"Content-Type", "Allow", "Retry-After", fleet.NextCursor},
		Varies:  map[string]*regexp.Regexp{"next": regexp.MustCompile(fleet.NextCursor + ": (.+)")},
	}.File(t, file)
}
