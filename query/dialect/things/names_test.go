package things_test

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/query/dialect/things"
)

// TestNames has requests that openapi.yaml cannot describe, each with an equivalent request that it can: parameter names are
// case-insensitive, unknown parameters and empty values are ignored, and the first value of a name wins.
func TestNames(t *testing.T) {
	h, _ := newRouter(t, true)
	const first = "/actionlogs?Page=1&ItemsPerPage=1"
	for got, want := range map[string]string{
		"/actionlogs?page=1&ITEMSPERPAGE=1":                            first,
		first + "&unknown=x&UserId=&v=1.5&Version=x":                   first,
		"/actionlogs?Page=&page=1&PAGE=2&ItemsPerPage=1":               first,
		"/actionlogs?%50age=1&ItemsPerPage=1":                          first,
		first + "&userid=%2042%20":                                     first + "&UserId=42",
		first + "&targetthingid=thing-9&from=2024-02-12&TO=2024-02-13": first + "&TargetThingId=thing-9&From=2024-02-12&To=2024-02-13",
		first + "&Format=XML":                                          "/actionlogs.xml?Page=1&ItemsPerPage=1",
		first + "&format=yaml":                                         first,
		first + "&format=":                                             first,
		"/ActionLogs?Page=1&ItemsPerPage=1":                            first,
		"/ACTIONLOGS.JSV?Page=1&ItemsPerPage=1":                        "/actionlogs.jsv?Page=1&ItemsPerPage=1",
		"/actionlogs.Xml?page=1&itemsperpage=1":                        "/actionlogs.xml?Page=1&ItemsPerPage=1",
		"/actionLogs.csv?page=1&itemsperpage=1&BOM=True":               "/actionlogs.csv?Page=1&ItemsPerPage=1&bom=true",
		"/actionlogs.jsv?page=1&itemsperpage=1&format=xml":             "/actionlogs.jsv?Page=1&ItemsPerPage=1",
	} {
		a, b := get(t, h, http.MethodGet, got), get(t, h, http.MethodGet, want)
		if a.Code != http.StatusOK || a.Body.String() != b.Body.String() || a.Header().Get("Content-Type") != b.Header().Get("Content-Type") {
			t.Errorf("%s: got %d %s, want what %s gets: %s", got, a.Code, a.Body, want, b.Body)
		}
	}
}

// The case of the path does not matter for refusals, either.
func TestNamesThatAreRefused(t *testing.T) {
	h, _ := newRouter(t, false)
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{http.MethodPost, "/ActionLogs?Page=1&ItemsPerPage=1", 405, "GET, HEAD"},
		{http.MethodDelete, "/ActionLogs.JSON?Page=1&ItemsPerPage=1", 405, "GET, HEAD"},
		{http.MethodGet, "/ActionLogs.yaml?Page=1&ItemsPerPage=1", 404, ""},
		{http.MethodGet, "/actionlogs.YAML?Page=1&ItemsPerPage=1", 404, ""},
		{http.MethodGet, "/ActionLogs.json.gz?Page=1&ItemsPerPage=1", 404, ""},
		{http.MethodGet, "/ActionLogs.json", 400, ""},
		{http.MethodHead, "/ActionLogs.json?Page=1&ItemsPerPage=1", 200, ""},
		{http.MethodGet, "/ActionLogsX?Page=1&ItemsPerPage=1", 404, ""},
		{http.MethodGet, "/xActionLogs?Page=1&ItemsPerPage=1", 404, ""},
	} {
		w := get(t, h, tt.method, tt.path)
		if w.Code != tt.status || w.Header().Get("Allow") != tt.allow {
			t.Errorf("%s %s: got %d %s, Allow %q, want %d, %q", tt.method, tt.path, w.Code, w.Body, w.Header().Get("Allow"), tt.status, tt.allow)
		}
	}
}

// A path is counted under one route, however it is spelt.
func TestNamesOfRoutes(t *testing.T) {
	var got string
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			got = chi.RouteContext(r.Context()).RoutePattern()
		})
	})
	things.New(nil, nil, slog.New(slog.DiscardHandler)).Routes(r)
	for target, want := range map[string]string{
		"/actionlogs": "/actionlogs", "/ActionLogs": "/actionlogs", "/ACTIONLOGS.JSON": "/actionlogs.json", "/actionlogs.Csv": "/actionlogs.csv",
		"/actionlogs.yaml": "/actionlogs.{suffix}", "/ActionLogs.x.y": "/actionlogs.{suffix}",
	} {
		if get(t, r, http.MethodPost, target); got != want {
			t.Errorf("%s: got the route %s, want %s", target, got, want)
		}
	}
}
