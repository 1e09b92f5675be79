package whole_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/dialect/access"
	"github.com/activitylog/activitylog/query/dialect/audit"
	"github.com/activitylog/activitylog/query/dialect/fleet"
	"github.com/activitylog/activitylog/query/dialect/things"
	"github.com/activitylog/activitylog/schema"
)

// TestRetentionHidesAtOnceInEveryDialect sets a shorter retention, and reads through every dialect right away.
func TestRetentionHidesAtOnceInEveryDialect(t *testing.T) {
	w, log := startWhole(t), slog.New(slog.DiscardHandler)
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(schema.WithPrincipal(r.Context(), schema.Anonymous())))
		})
	})
	fleet.New(w.store, w.store, fleet.Config{}, log).Routes(r)
	access.New(w.store, log).Routes(r)
	things.New(w.store, w.store.Actions, log).Routes(r)
	audit.New(audit.Store{Reads: w.store, Details: w.store, Streams: w.store, Erasures: w.store, Retentions: w.store}, log).Routes(r)
	at := schema.Position{}
	for i, days := range []int{0, 20} { // far from the limit, even if the test runs over midnight
		at.Add(0, w.aged(t, uint64(i+1), days))
	}
	if err := w.store.Await(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	ask := func(method, target, body string) string {
		t.Helper()
		rec := httptest.NewRecorder()
		req := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		r.ServeHTTP(rec, req)
		if rec.Code != http.StatusOK {
			t.Errorf("%s %s: %d %s", method, target, rec.Code, rec.Body)
		}
		return rec.Body.String()
	}
	reads := [][3]string{
		{"GET", "/api/v1/activity_log", ""},
		{"GET", "/api/v1/activity_log?serial=d", ""},
		{"POST", "/filterActivity", `{}`},
		{"POST", "/filterActivity", `{"start":1,"serial":"d","platform":"p"}`},
		{"GET", "/actionlogs.json?Page=1&ItemsPerPage=10", ""},
		{"GET", "/actionlogs.csv?Page=1&ItemsPerPage=10", ""},
		{"GET", "/api/v1/activity-logs", ""},
		{"GET", "/api/v1/activity-logs?search=words", ""},
		{"GET", "/api/v1/activity-logs/export?format=ndjson", ""},
	}
	counts := [][2]string{
		{"/api/v1/activity_log/count", `{"count":`},
		{"/actionlogs.json?Page=1&ItemsPerPage=1", `"totalAvailableItems":`},
		{"/api/v1/activity-logs/count?serial=d", `{"count":`},
		{"/api/v1/activity-logs/stats?groupBy=action", `"total":`},
	}
	check := func(when string, old bool, n string) {
		t.Helper()
		for _, d := range reads {
			if got := ask(d[0], d[1], d[2]); strings.Contains(got, "words 2") != old || !strings.Contains(got, "words 1") {
				t.Errorf("%s: %s %s shows %s", when, d[0], d[1], got)
			}
		}
		for _, c := range counts {
			if got := ask("GET", c[0], ""); !strings.Contains(got, c[1]+n) {
				t.Errorf("%s: %s says %s, want %s", when, c[0], got, n)
			}
		}
	}
	check("before", true, "2")
	if got, want := ask("PUT", "/api/v1/activity-logs/retention", `{"days":10,"confirm":1}`), `{"days":10,"dryRun":false,"deletedCount":1}`; !strings.Contains(got, want) {
		t.Fatalf("got %s, want %s", got, want)
	}
	check("after", false, "1")
}

// aged produces an entry that was received days ago, and returns its offset.
func (w *whole) aged(t *testing.T, id uint64, days int) int64 {
	t.Helper()
	return testbed.ProduceAged(t, w.broker.Client(), w.broker.Topic(), schema.DefaultTenant, id, days)
}
