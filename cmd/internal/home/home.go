// Package home is the page at /: what this service is, whether it is ready, and the first commands to try. It needs no credentials,
// runs no scripts, loads nothing from elsewhere, and shows nothing that /readyz and /version do not show.
package home

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"html/template"
	"net/http"
	"regexp"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/cmd/internal/identity"
	"github.com/activitylog/activitylog/cmd/internal/service"
)

//go:embed page.html
var source string

//go:embed page.css
var style string

var page = template.Must(template.New("page").Parse(source))

// policy is the Content-Security-Policy of the page. The icon is in the page itself.
var policy = "default-src 'none'; img-src data:; style-src 'sha256-" + styleHash() + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func styleHash() string {
	sum := sha256.Sum256([]byte(style))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Config has the facts about this installation that the page shows.
type Config struct {
	Auth      identity.Config
	Collector string // URL of the collector; empty: the same as the page's
	EnvFile   string // file that connects activityctl to this installation; empty if it needs variables
}

// Path is the path of the page.
const Path = "/start"

// Part serves the page.
func Part(c Config) service.Part {
	return service.Part{Name: "home", Open: func(r chi.Router, health func(context.Context) service.Health) {
		r.Get(Path, func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, health(r.Context())) })
	}}
}

func (c Config) serve(w http.ResponseWriter, r *http.Request, health service.Health) {
	var b bytes.Buffer
	_ = page.Execute(&b, c.viewOf(r, health)) // it fails only if the template is wrong, which a test would find
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // the client has gone
}

// view is the data of the page.
type view struct {
	Style       template.CSS
	Version     string
	Health      service.Health
	Write, Read string // URLs that commands begin with
	Elsewhere   bool   // Write is another service, by its default address
	Open        bool   // no credentials are needed
	Token       string // command that sets TOKEN
	Header      string // curl's argument with the credentials
	Metrics     bool   // /metrics can be reached at this address
	Docs        []link
}

func (c Config) viewOf(r *http.Request, health service.Health) view {
	v := view{
		Style:   template.CSS(style), //nolint:gosec // a constant of this package
		Version: service.Version, Health: health, Read: address(r), Metrics: !proxied(r), Docs: docs,
	}
	v.Write = v.Read
	if c.Collector != "" && !proxied(r) {
		v.Write, v.Elsewhere = c.Collector, true
	}
	v.Token = c.token()
	v.Open = v.Token == ""
	if !v.Open {
		v.Header = ` -H "Authorization: Bearer $TOKEN"`
	}
	return v
}

// token returns a shell command that sets TOKEN to credentials; empty if none are needed.
func (c Config) token() string {
	command := c.Auth.Command()
	switch {
	case c.Auth.Auth == "none":
		return ""
	case command == "": // tokens that others sign
		return "TOKEN='a token of your identity provider'"
	case c.EnvFile == "":
		return "TOKEN=$(bin/activityctl " + command + ")"
	}
	return "TOKEN=$(bin/activityctl --env-file " + c.EnvFile + " " + command + ")"
}

// proxied reports whether a proxy passed the request on. The proxy of this project gives collector and query service one address,
// and hides /metrics.
func proxied(r *http.Request) bool {
	return r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" || r.Header.Get("Via") != ""
}

// hostPort matches hosts that are safe in a command that people paste into a shell.
var hostPort = regexp.MustCompile(`^([0-9A-Za-z.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?$`)

// address returns the URL under which the caller reached the page.
func address(r *http.Request) string {
	scheme, host := "http", r.Host
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	if !hostPort.MatchString(host) {
		host = "localhost"
	}
	return scheme + "://" + host
}

type link struct{ Text, About, To string }

// repository is the URL of the documents.
const repository = "https://github.com/activitylog/activitylog/blob/main/"

var docs = []link{
	{"Endpoints", "every request of the four APIs, and their filters", repository + "schema/README.md#endpoints"},
	{"Rules for all APIs", "repeats, reading your own write, search, tenants", repository + "schema/README.md#rules-for-all-apis"},
	{"Guarantees", "what is promised, and the test that holds it", repository + "README.md#guarantees"},
	{"Authentication", "keys, tokens, roles, scopes and web pages", repository + "cmd/internal/identity/README.md#authentication"},
	{"Settings and activityctl", "every variable and every command", repository + "cmd/README.md#settings"},
	{"Production", "your own Kafka and ClickHouse, proxy, alerts", repository + "deploy/README.md#production"},
}
