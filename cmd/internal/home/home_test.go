package home

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/cmd/internal/identity"
	"github.com/activitylog/activitylog/cmd/internal/service"
)

var ready = service.Health{Status: "ready", Checks: []service.Checked{{Name: "kafka", Ready: true}}}

// get asks for the page, and returns it with its entities resolved.
func get(t *testing.T, c Config, health service.Health, change func(*http.Request)) (string, http.Header) {
	t.Helper()
	router := chi.NewRouter()
	Part(c).Open(router, func(context.Context) service.Health { return health })
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost:50809"+Path, http.NoBody)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("got %d, want 200", w.Code)
	}
	return html.UnescapeString(w.Body.String()), w.Header()
}

func TestPage(t *testing.T) {
	none := identity.Config{Auth: "none"}
	keys := identity.Config{Auth: "keys"}
	for _, tt := range []struct {
		name   string
		c      Config
		health service.Health
		change func(*http.Request)
		has    []string
		lacks  []string
	}{
		{
			"standalone",
			Config{Auth: none, EnvFile: "data/services.env"},
			ready, nil,
			[]string{
				"Ready", "curl http://localhost:50809/api/v1/activity_log -d '{", `curl "http://localhost:50809/actionlogs.json?Page=1&ItemsPerPage=10"`,
				`href="/openapi.json"`, `href="/metrics"`, `href="/readyz"`, `href="/api/v1/activity-logs"`,
			},
			[]string{"TOKEN", "refresh", "Waiting"},
		},
		{
			"keys",
			Config{Auth: keys, EnvFile: "data/services.env"},
			ready, nil,
			[]string{
				"TOKEN=$(bin/activityctl --env-file data/services.env key create --tenant default --role ADMIN --name first)",
				`curl -H "Authorization: Bearer $TOKEN" http://localhost:50809/api/v1/activity_log -d`,
			},
			[]string{`href="/api/v1/activity_log"`},
		},
		{
			"keys of a service",
			Config{Auth: keys, Collector: "http://127.0.0.1:8081"},
			ready, nil,
			[]string{
				"TOKEN=$(bin/activityctl key create", `$TOKEN" http://127.0.0.1:8081/api/v1/activity_log -d`,
				`$TOKEN" "http://localhost:50809/api/v1/activity_log?serial=device-1"`, "its default address",
			},
			nil,
		},
		{
			"tokens of others",
			Config{Auth: identity.Config{Auth: "jwt", JWT: identity.JWT{JWKSURL: "https://id.example.com/keys"}}},
			ready, nil,
			[]string{"TOKEN='a token of your identity provider'"},
			[]string{"activityctl token", "id.example.com"},
		},
		{
			"behind a proxy",
			Config{Auth: none, Collector: "http://127.0.0.1:8081"},
			ready, func(r *http.Request) {
				r.Host = "logs.example.com"
				r.Header.Set("X-Forwarded-For", "10.0.0.1")
				r.Header.Set("X-Forwarded-Proto", "https")
			},
			[]string{"curl https://logs.example.com/api/v1/activity_log -d", `"https://logs.example.com/api/v1/activity_log?`},
			[]string{"8081", "/metrics"},
		},
		{
			"waiting",
			Config{Auth: none},
			service.Health{Status: "waiting", Checks: []service.Checked{{Name: "topics", Ready: true}, {Name: "tables", Reason: "no <host>"}}},
			nil,
			[]string{"Waiting", `http-equiv="refresh"`, `<li class="not">tables <small>no <host></small></li>`, "<li>topics</li>"},
			nil,
		},
		{"shutting down", Config{Auth: none}, service.Health{Status: "draining"}, nil, []string{"Shutting down"}, []string{"Everything"}},
		{
			"a name that is a command",
			Config{Auth: none},
			ready, func(r *http.Request) { r.Host = "$(reboot)" },
			[]string{"curl http://localhost/api/v1/activity_log"},
			[]string{"reboot"},
		},
		{"a name that is HTML", Config{Auth: none}, ready, func(r *http.Request) { r.Host = `"><b>` }, []string{"curl http://localhost/"}, []string{"<b>"}},
		{"an address of IPv6", Config{Auth: none}, ready, func(r *http.Request) { r.Host = "[::1]:50809" }, []string{"curl http://[::1]:50809/api"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, _ := get(t, tt.c, tt.health, tt.change)
			for _, want := range tt.has {
				if !strings.Contains(text, want) {
					t.Errorf("lacks %s:\n%s", want, text)
				}
			}
			for _, never := range tt.lacks {
				if strings.Contains(text, never) {
					t.Errorf("has %s:\n%s", never, text)
				}
			}
		})
	}
}

// The page may load and run nothing, except its own style sheet and icon.
func TestPolicy(t *testing.T) {
	c := Config{Auth: identity.Config{Auth: "none"}}
	text, header := get(t, c, ready, nil)
	_, css, _ := strings.Cut(text, "<style>")
	css, _, _ = strings.Cut(css, "</style>")
	sum := sha256.Sum256([]byte(css))
	if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(header.Get("Content-Security-Policy"), want) {
		t.Errorf("policy: got %s, want %s", header.Get("Content-Security-Policy"), want)
	}
	for _, never := range []string{"<script", "onclick", "<img", "style=", "@import", "url("} {
		if strings.Contains(text, never) {
			t.Errorf("the page has %s", never)
		}
	}
	for name, want := range map[string]string{"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// Every document that the page links to has the section.
func TestLinks(t *testing.T) {
	for _, l := range docs {
		path, anchor, _ := strings.Cut(strings.TrimPrefix(l.To, repository), "#")
		text, err := os.ReadFile(filepath.Join("../../..", path))
		if err != nil {
			t.Error(err)
			continue
		}
		found := false
		for line := range strings.Lines(string(text)) {
			if title := strings.TrimLeft(line, "#"); title != line {
				title = notInAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
				found = found || strings.ReplaceAll(title, " ", "-") == anchor
			}
		}
		if !found {
			t.Errorf("%s has no section #%s", path, anchor)
		}
	}
}
