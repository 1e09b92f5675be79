package fleet_test

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/fleet"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
)

var update = flag.Bool("update", false, "write the answers into testdata anew")

// entries are what the exchanges of testdata are about.
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
	queries := query.Defaults()
	queries.CursorSecret = "0123456789abcdef"
	log := slog.New(slog.DiscardHandler)
	r := chi.NewRouter()
	r.Use(anonymous)
	fleet.New(query.New(queries, db.Conn, nil, log, prometheus.NewRegistry()), cfg, log).Routes(r)
	return r
}

func anonymous(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(schema.WithPrincipal(r.Context(), schema.Anonymous())))
	})
}

// TestExchanges replays testdata/*.http. A file holds exchanges apart by lines "###": the request line, an empty line, the
// status, headers that matter, an empty line and the body. {{name}} in a header takes its value, and gives it to later requests.
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
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	var out []string
	for exchange := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n###\n") {
		got := answer(t, h, exchange, known)
		if diff := cmp.Diff(exchange, got); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		out = append(out, got)
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n###\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var variable = regexp.MustCompile(`\{\{(\w+)\}\}`)

// answer performs the request of an exchange and returns the exchange with the answer that it got.
func answer(t *testing.T, h http.Handler, exchange string, known map[string]string) string {
	t.Helper()
	request, wanted, _ := strings.Cut(exchange, "\n\n")
	head := strings.Split(request, "\n")
	for strings.HasPrefix(head[0], "#") {
		head = head[1:]
	}
	method, target, _ := strings.Cut(head[0], " ")
	target = variable.ReplaceAllStringFunc(target, func(v string) string { return known[v] })
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for _, h := range head[1:] {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	b := bytes.NewBufferString(request + "\n\n" + fmt.Sprint(w.Code) + "\n")
	for _, name := range []string{"Content-Type", "Allow", "Retry-After", fleet.NextCursor} {
		value := w.Header().Get(name)
		if value == "" {
			continue
		}
		if name == fleet.NextCursor {
			v := variable.FindString(wanted)
			if v == "" {
				v = "{{next}}"
			}
			known[v] = value
			value = v
		}
		fmt.Fprintf(b, "%s: %s\n", name, value)
	}
	return b.String() + "\n" + strings.TrimSpace(w.Body.String())
}
