package cmd_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/ingest/collector"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api/contract"

	"github.com/activitylog/activitylog/cmd/internal/home"
	queryservice "github.com/activitylog/activitylog/cmd/internal/query"
)

// routers returns the routers of the services; their parts never ran.
func routers() map[string]chi.Router {
	return routersOver(queryservice.Config{}, queryservice.Needs{Tables: &service.Await{}}, everybody)
}

// routersOver returns routers of services that identify their callers.
func routersOver(cfg queryservice.Config, needs queryservice.Needs, identify func(http.Handler) http.Handler) map[string]chi.Router {
	log := slog.New(slog.DiscardHandler)
	c := collector.New(collector.Defaults(), &kafka.Client{}, log, prometheus.NewRegistry())
	reads := queryservice.Part(cfg, needs, service.NewProcess(log, prometheus.NewRegistry()))
	all := map[string]chi.Router{"health": service.NewProcess(log, prometheus.NewRegistry()).Router(nil), "collector": chi.NewRouter(), "query": chi.NewRouter()}
	for name, routes := range map[string]func(chi.Router){"collector": c.Routes, "query": reads.Routes} {
		all[name].Use(identify)
		routes(all[name])
	}
	home.Part(home.Config{}).Open(all["query"], func(context.Context) service.Health { return service.Health{} })
	return all
}

// When a handler panics, the service asks it again with a refusal that is an internal error. Every route answers that in the envelope
// of its dialect, and does not show the error.
func TestEveryRouteAnswersAnInternalRefusal(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	c := collector.New(collector.Defaults(), &kafka.Client{}, log, prometheus.NewRegistry())
	reads := queryservice.Part(queryservice.Config{}, queryservice.Needs{Tables: &service.Await{}}, service.NewProcess(log, prometheus.NewRegistry()))
	routers := map[string]chi.Router{"collector": chi.NewRouter(), "query": chi.NewRouter()}
	for name, routes := range map[string]func(chi.Router){"collector": c.Routes, "query": reads.Routes} {
		routers[name].Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r.WithContext(schema.WithRefusal(r.Context(), errors.New("secret"))))
			})
		})
		routes(routers[name])
	}
	elsewhere := []guarded{
		{process: "query", method: "GET", path: entries + "/nothing/there"},
		{process: "query", method: "PUT", path: entries + "/count"},
		{process: "query", method: "PUT", path: "/api/v1/activity-logs"},
		{process: "query", method: "GET", path: "/api/v1/activity-logs/nothing/there"},
		{process: "query", method: "GET", path: "/filterActivity"},
		{process: "query", method: "POST", path: "/actionlogs"},
		{process: "query", method: "GET", path: "/actionlogs.nope"},
	}
	for _, d := range slices.Concat(described(t), guardedRoutes, elsewhere) {
		w := httptest.NewRecorder()
		routers[d.process].ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), d.method, d.path, strings.NewReader(d.body)))
		if body := w.Body.String(); w.Code != 500 || !strings.Contains(body, envelope(d.path, 500)) || strings.Contains(body, "secret") {
			t.Errorf("%s %s: got %d %s, want 500", d.method, d.path, w.Code, body)
		}
	}
}

// Every path answers a method that it does not support with 405, in its envelope, and names the methods that it supports.
func TestEveryPathNamesItsMethods(t *testing.T) {
	d, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	supported := map[string][]string{} // by path
	for _, o := range d.Operations() {
		for _, path := range o.Literal {
			path = parameters.ReplaceAllString(strings.Replace(path, "{suffix}", "json", 1), "1")
			supported[path] = append(supported[path], o.Method)
		}
	}
	log := slog.New(slog.DiscardHandler)
	c := collector.New(collector.Defaults(), &kafka.Client{}, log, prometheus.NewRegistry())
	reads := queryservice.Part(queryservice.Config{}, queryservice.Needs{Tables: &service.Await{}}, service.NewProcess(log, prometheus.NewRegistry()))
	alone, both := service.NewProcess(log, prometheus.NewRegistry()).Router(nil), service.NewProcess(log, prometheus.NewRegistry()).Router(nil)
	alone.Group(func(r chi.Router) { r.Use(everybody); reads.Routes(r) })
	both.Group(func(r chi.Router) { r.Use(everybody); reads.Routes(r); c.Routes(r) })
	for name, router := range map[string]chi.Router{"query": alone, "standalone": both} {
		home.Part(home.Config{}).Open(router, func(context.Context) service.Health { return service.Health{} })
		for path, methods := range supported {
			var want []string
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE"} {
				of := strings.Replace(method, "HEAD", "GET", 1)
				written := name == "query" && path != "/api/v1/activity-logs/batch" && slices.Contains(writes, of+" "+path)
				if slices.Contains(methods, of) && !written {
					want = append(want, method)
				}
			}
			for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "post"} {
				if slices.Contains(want, method) {
					continue
				}
				w := httptest.NewRecorder()
				router.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody))
				if got := w.Header().Values("Allow"); w.Code != 405 || len(got) != 1 || got[0] != strings.Join(want, ", ") {
					t.Errorf("%s: %s %s: got %d with %q, want 405 with %q", name, method, path, w.Code, got, want)
				}
				if strings.HasPrefix(path, "/api/") && path != "/api/v1/status" && !strings.Contains(w.Body.String(), envelope(path, 405)) {
					t.Errorf("%s: %s %s: got %s", name, method, path, w.Body)
				}
			}
		}
	}
}

// writes are what the collector serves.
var writes = []string{"POST " + entries, "POST /api/v1/activity-logs", "POST /api/v1/activity-logs/batch"}

func everybody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(schema.WithPrincipal(r.Context(), schema.Anonymous())))
	})
}

// Every route of a service is in openapi.yaml, and every operation of openapi.yaml is a route of the service in its tag.
func TestRoutesAreDocumented(t *testing.T) {
	d, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	documented, served := map[string]bool{}, map[string]bool{} // by method and path; with the service
	for _, o := range d.Operations() {
		for _, path := range o.Literal {
			documented[route(o.Method, path)] = true
		}
	}
	for name, router := range routers() {
		err := chi.Walk(router, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
			if method == http.MethodHead { // answered like a GET
				return nil
			}
			served[name+" "+route(method, pattern)] = true
			r := httptest.NewRequestWithContext(t.Context(), method, parameters.ReplaceAllString(strings.Replace(pattern, "*", "/nothing/there", 1), "x"), http.NoBody)
			if !documented[route(method, pattern)] && !refuses(router, r) {
				t.Errorf("%s serves %s %s, which openapi.yaml lacks", name, method, pattern)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range d.Operations() {
		by := "query"
		switch {
		case slices.Contains(o.Tags, "operations"):
			by = "health"
		case slices.ContainsFunc(o.Tags, func(tag string) bool { return strings.HasSuffix(tag, " write") }):
			by = "collector"
		}
		for _, path := range o.Literal {
			if !served[by+" "+route(o.Method, path)] {
				t.Errorf("openapi.yaml has %s %s, which %s does not serve", o.Method, path, by)
			}
		}
	}
}

// route returns a method and a path without the names of its parameters.
func route(method, path string) string {
	return method + " " + parameters.ReplaceAllString(path, "{}")
}

// refuses reports whether a route only answers 404 or 405.
func refuses(h http.Handler, r *http.Request) (yes bool) {
	defer func() { _ = recover() }() // a handler that needs the database is not a refusal
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code == http.StatusNotFound || w.Code == http.StatusMethodNotAllowed
}

var (
	requestLine = regexp.MustCompile(`(?m)\A(?:#.*\n)*([A-Z]+) (/\S*)`)
	statusLine  = regexp.MustCompile(`(?m)^(?:HTTP )?([1-5]\d\d)$`)
)

// replayed returns method, path and status of all exchanges in testdata; the tests of their packages replay them.
func replayed(t *testing.T, d *contract.Document) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".http" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for exchange := range strings.SplitSeq(string(text), "\n###\n") {
			request, status := requestLine.FindStringSubmatch(exchange), statusLine.FindStringSubmatch(exchange)
			if request == nil || status == nil {
				return fmt.Errorf("%s: no exchange: %s", path, exchange)
			}
			r, err := http.NewRequestWithContext(t.Context(), request[1], "http://127.0.0.1"+request[2], http.NoBody)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if o, ok := d.Find(r); ok {
				all[o.Method+" "+o.Path+" "+status[1]] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Every success status in openapi.yaml is covered by an exchange.
func TestEverySuccessIsReplayed(t *testing.T) {
	d, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	seen := replayed(t, d)
	for _, o := range d.Operations() {
		for _, status := range o.Statuses {
			if status < "400" && !seen[o.Method+" "+o.Path+" "+status] {
				t.Errorf("no exchange of testdata shows %s %s answering %s", o.Method, o.Path, status)
			}
		}
	}
}
