package cmd_test

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/activitylog/activitylog/schema/api/exchange"
)

// handler returns the process as an http.Handler.
func (p *process) handler() http.Handler {
	return httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: p.addr})
}

func standalone(t *testing.T, env ...string) *process {
	t.Helper()
	p := start(t, append(env, "DATA_DIR="+filepath.Join(t.TempDir(), "data")), "standalone")
	p.until(t, "/readyz", 200, `"status":"ready"`)
	return p
}

// The endpoints that every process has.
func TestOperations(t *testing.T) {
	exchange.Replay{
		Handler: standalone(t).handler(),
		Headers: []string{"Content-Type", "Etag", "Cache-Control", "Referrer-Policy"},
		Varies: map[string]*regexp.Regexp{
			"etag":     regexp.MustCompile(`Etag: ("[0-9a-f]{16}")`),
			"version":  regexp.MustCompile(`(\{"version":"[^"]+",("commit":"[^"]+",)?"go":"[^"]+"\})`),
			"metrics":  regexp.MustCompile(`(?s)(# HELP .*)`),
			"page":     regexp.MustCompile(`(?s)(<!DOCTYPE html>.*<strong>Ready</strong>.*</html>)`),
			"document": regexp.MustCompile(`(?s)(\{\n "openapi": .*)`),
		},
	}.File(t, "testdata/operations.http")
}
