package ui_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/query/ui"
	"github.com/activitylog/activitylog/schema/api/exchange"
)

func get(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := chi.NewRouter()
	ui.New().Routes(r)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

// most is how many bytes a first visit may load.
const most = 80_000

var referred = regexp.MustCompile(`(?:src|href)="(/[^"]+)"`)

// The page is served with a policy that allows its own files only, and refers to nothing else. All of it is small.
func TestPage(t *testing.T) {
	w := get(t, "/")
	body := w.Body.String()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Cache-Control") != "no-cache" {
		t.Fatalf("got %d %v", w.Code, w.Header())
	}
	csp := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("policy %q lacks %q", csp, want)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(body, "<style") || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(body) || strings.Contains(body, "://") {
		t.Errorf("something inline or of another host: %s, %s", csp, body)
	}
	files, size := referred.FindAllStringSubmatch(body, -1), 0
	if len(files) < 3 {
		t.Fatalf("the page refers to %d files: %s", len(files), body)
	}
	for _, f := range files {
		w := get(t, f[1], "Accept-Encoding", "gzip")
		if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: got %d %v", f[1], w.Code, w.Header())
			continue
		}
		size += w.Body.Len()
		plain := get(t, f[1])
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(z); err != nil || !bytes.Equal(text, plain.Body.Bytes()) {
			t.Errorf("%s: compressed and plain differ: %v", f[1], err)
		}
		if again := get(t, f[1], "If-None-Match", plain.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s again: got %d, %d bytes", f[1], again.Code, again.Body.Len())
		}
	}
	if size > most {
		t.Errorf("the page has %d bytes compressed, want at most %d", size, most)
	}
}

// Where something else is at /, the same page is at /ui.
func TestSecondAddress(t *testing.T) {
	if a, b := get(t, "/"), get(t, "/ui"); b.Code != http.StatusOK || a.Body.String() != b.Body.String() || b.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("/ui: got %d %v", b.Code, b.Header())
	}
}

func TestUnknownFiles(t *testing.T) {
	for _, path := range []string{"/ui/nothing.js", "/ui/index.html", "/ui/..%2fui.go", "/ui/a/b"} {
		if w := get(t, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", path, w.Code)
		}
	}
}

// TestExchanges replays testdata/page.http.
func TestExchanges(t *testing.T) {
	r := chi.NewRouter()
	ui.New().Routes(r)
	exchange.Replay{
		Handler: r,
		Headers: []string{"Content-Type", "Cache-Control", "Etag", "Vary"},
		Varies: map[string]*regexp.Regexp{
			"tag":  regexp.MustCompile(`Etag: ("[0-9a-f]{16}")`),
			"page": regexp.MustCompile(`(?s)(<!doctype.*)`),
		},
	}.File(t, "testdata/page.http")
}
