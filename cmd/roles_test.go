package cmd_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/go-chi/chi/v5"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/internal/identity"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api/contract"
	"github.com/activitylog/activitylog/schema/api/exchange"

	queryservice "github.com/activitylog/activitylog/cmd/internal/query"
)

const (
	authentication = "internal/identity/README.md"
	rolesBegin     = "<!-- roles:begin -->\n"
	rolesEnd       = "<!-- roles:end -->"
)

// anyOther stands for every unknown role, and for none.
const anyOther = "any other"

// caller puts a principal into requests.
type caller struct{ p schema.Principal }

func (c *caller) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(schema.WithPrincipal(r.Context(), c.p)))
	})
}

// unreachable returns the routers of services that reach neither Kafka nor ClickHouse: what they allow fails soon.
func unreachable(t *testing.T, c *caller) map[string]chi.Router {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var cfg queryservice.Config
	cfg.Defaults()
	cfg.WaitMax = 50 * time.Millisecond
	client := &kafka.Client{Addr: kafka.TCP("127.0.0.1:1"), Timeout: 50 * time.Millisecond}
	return routersOver(cfg, queryservice.Needs{Topic: "activity", Kafka: client, Conn: conn, Tables: &service.Await{}}, c.identify)
}

// may reports whether the service lets the caller do it.
func may(t *testing.T, router chi.Router, o contract.Operation) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, o.Method, parameters.ReplaceAllString(o.Literal[0], "1"), strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	told := o.Path == "/api/v1/status" && w.Code == http.StatusOK // it says what is unreachable
	if w.Code < 400 && !told || w.Code == http.StatusUnauthorized || w.Code == http.StatusMethodNotAllowed {
		t.Errorf("%s %s: got %d %s", o.Method, o.Path, w.Code, w.Body)
	}
	return w.Code != http.StatusForbidden
}

// rights returns the table of what each role may do, as the services enforce it.
func rights(t *testing.T) string {
	t.Helper()
	d, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	roles := append(schema.Roles(), anyOther)
	var c caller
	services := unreachable(t, &c)
	var b strings.Builder
	fmt.Fprintf(&b, "| | scopes that `ADMIN` needs | %s |\n|---|---|%s\n", strings.Join(roles, " | "), strings.Repeat("---|", len(roles)))
	b.WriteString("| **scopes of the role** | |")
	for _, role := range roles {
		fmt.Fprintf(&b, " %s |", scopeNames(identity.ScopesOfRoles([]string{role})))
	}
	b.WriteString("\n")
	for _, o := range d.Operations() {
		if slices.Contains(o.Tags, "operations") || slices.Contains(o.Tags, "page") {
			continue
		}
		router := services[serviceOf(o)]
		var needs []schema.Scope // without which an administrator may not
		for _, s := range schema.Scopes() {
			others := slices.DeleteFunc(schema.Scopes(), func(other schema.Scope) bool { return other == s })
			c.p = schema.Principal{Tenant: "acme", Subject: "ada", Roles: []string{schema.RoleAdmin}, Scopes: others}
			if !may(t, router, o) {
				needs = append(needs, s)
			}
		}
		fmt.Fprintf(&b, "| `%s %s` | %s |", o.Method, o.Path, scopeNames(needs))
		for _, role := range roles {
			c.p = schema.Principal{Tenant: "acme", Subject: "ada", Roles: []string{role}, Scopes: identity.ScopesOfRoles([]string{role})}
			answer := ""
			if may(t, router, o) {
				answer = "yes"
			}
			fmt.Fprintf(&b, " %s |", answer)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func serviceOf(o contract.Operation) string {
	if slices.ContainsFunc(o.Tags, func(tag string) bool { return strings.HasSuffix(tag, " write") }) {
		return "collector"
	}
	return "query"
}

func scopeNames(scopes []schema.Scope) string {
	all := make([]string, len(scopes))
	for i, s := range scopes {
		all[i] = "`" + string(s) + "`"
	}
	return strings.Join(all, ", ")
}

// The table of roles in the README of authentication is what the services enforce. make docs writes it again.
func TestReadmeListsEveryRole(t *testing.T) {
	text, err := os.ReadFile(authentication)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), rolesBegin)
	got, after, ok2 := strings.Cut(rest, rolesEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks %s … %s", authentication, strings.TrimSpace(rolesBegin), rolesEnd)
	}
	want := rights(t)
	if got == want {
		return
	}
	if !exchange.Update() {
		t.Fatalf("the table of roles in %s is not what the services enforce; update it with: make docs\n%s", authentication, want)
	}
	if err := os.WriteFile(authentication, []byte(before+rolesBegin+want+rolesEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// An analyst reads everything of its tenant and changes nothing, in every dialect.
func TestAnalyst(t *testing.T) {
	d, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"Analyst", "ANALYST", "analyst"} {
		c := caller{schema.Principal{Tenant: "acme", Subject: "ada", Roles: []string{role}, Scopes: identity.ScopesOfRoles([]string{role})}}
		services := unreachable(t, &c)
		for _, o := range d.Operations() {
			reads := o.Method == http.MethodGet && o.Path != "/api/v1/activity-logs/retention" || o.Path == "/filterActivity"
			if slices.Contains(o.Tags, "operations") || slices.Contains(o.Tags, "page") {
				continue
			}
			if got := may(t, services[serviceOf(o)], o); got != reads {
				t.Errorf("%s: %s %s: got %v, want %v", role, o.Method, o.Path, got, reads)
			}
		}
	}
}
