package identity

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/cmd/internal/identity/apikey"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

func TestCredentials(t *testing.T) {
	const auth, key = "Authorization", "X-API-Key"
	for _, tt := range []struct {
		name, path string
		headers    []string
		want       credential
		err        error
	}{
		{"none", "/", nil, credential{}, nil},
		{"token", "/", []string{auth, "Bearer a.b.c"}, credential{kind: isToken, text: "a.b.c"}, nil},
		{"scheme in another case", "/", []string{auth, "bEARER  a.b.c "}, credential{kind: isToken, text: "a.b.c"}, nil},
		{"key as a bearer", "/", []string{auth, "Bearer alog.x.y"}, credential{kind: isKey, text: "alog.x.y"}, nil},
		{"key", "/", []string{key, "alog.x.y"}, credential{kind: isKey, text: "alog.x.y"}, nil},
		{"key in both", "/", []string{key, "alog.x.y", auth, "Bearer alog.x.y"}, credential{kind: isKey, text: "alog.x.y"}, nil},
		{"token and key", "/", []string{key, "alog.x.y", auth, "Bearer a.b.c"}, credential{}, errTwice},
		{"two tokens", "/", []string{auth, "Bearer a.b.c", auth, "Bearer a.b.d"}, credential{}, errTwice},
		{"two keys", "/", []string{key, "alog.x.y", key, "alog.x.z"}, credential{}, errTwice},
		{"another scheme", "/", []string{auth, "Basic dTpw"}, credential{}, nil},
		{"another scheme and a key", "/", []string{auth, "Basic dTpw", key, "alog.x.y"}, credential{kind: isKey, text: "alog.x.y"}, nil},
		{"scheme alone", "/", []string{auth, "Bearer"}, credential{}, nil},
		{"no scheme", "/", []string{auth, "a.b.c"}, credential{}, nil},
		{"cookie", "/actionlogs", []string{"Cookie", "x=1; ss-tok=a.b.c"}, credential{kind: isToken, text: "a.b.c", cookie: true}, nil},
		{"cookie, with a suffix", "/ActionLogs.jsv", []string{"Cookie", "ss-tok=a.b.c"}, credential{kind: isToken, text: "a.b.c", cookie: true}, nil},
		{"cookie, another path", "/actionlogsx", []string{"Cookie", "ss-tok=a.b.c"}, credential{}, nil},
		{"cookie, another dialect", "/api/v1/activity_log", []string{"Cookie", "ss-tok=a.b.c"}, credential{}, nil},
		{"header before cookie", "/actionlogs", []string{"Cookie", "ss-tok=a.b.c", auth, "Bearer d.e.f"}, credential{kind: isToken, text: "d.e.f"}, nil},
		{"key before cookie", "/actionlogs", []string{"Cookie", "ss-tok=a.b.c", key, "alog.x.y"}, credential{kind: isKey, text: "alog.x.y"}, nil},
		{"too long", "/", []string{auth, "Bearer " + strings.Repeat("x", maxCredential+1)}, credential{kind: isToken, text: strings.Repeat("x", maxCredential+1)}, errTooLong},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := credentialOf(request(t, tt.path, tt.headers...))
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %+v, %v, want %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

// FuzzCredential: whatever a request presents, without a valid signature it gets no principal, and a reason that a dialect can answer
// with.
func FuzzCredential(f *testing.F) {
	for _, s := range []string{"", "Bearer a.b.c", "Bearer alog.x.y", "bearer eyJhbGciOiJub25lIn0.e30.", "Basic x", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "Bearer\t\x00"} {
		f.Add(s, s, "/actionlogs", "ss-tok="+s)
	}
	i := &Identity{tokens: newTokens(JWT{Signing: Signing{Secret: secret}}, nil), metrics: newMetrics(nil)}
	f.Fuzz(func(t *testing.T, auth, key, path, cookie string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.URL.Path = path
		r.Header = http.Header{"Authorization": {auth}, "X-Api-Key": {key}, "Cookie": {cookie}}
		p, err := asked(i, r)
		if err == nil || p.Tenant != "" {
			t.Fatalf("%q, %q, %q: a principal, %+v", auth, key, cookie, p)
		}
		if status, challenge := outcome(err); status != http.StatusUnauthorized || !strings.HasPrefix(challenge, "Bearer") || strings.ContainsAny(challenge, "\r\n") {
			t.Fatalf("%q, %q, %q: got %d %q", auth, key, cookie, status, challenge)
		}
	})
}

func TestTenantOfARequest(t *testing.T) {
	i := newIdentity(t, JWT{Signing: Signing{Secret: secret}})
	one, all, user := map[string]any{"role": "ADMIN"}, map[string]any{"tenant": "*", "role": "Admin"}, map[string]any{"tenant": "*", "role": "TenantAdmin"}
	for _, tt := range []struct {
		name   string
		claims map[string]any
		path   string
		want   string
		status int
	}{
		{"its own", one, "/", "acme", 200},
		{"its own, named", one, "/?tenant=acme", "acme", 200},
		{"no value", one, "/?tenant=", "acme", 200},
		{"another", one, "/?tenant=other", "", 403},
		{"another, in capitals", one, "/?TENANT=other", "", 403},
		{"another, encoded", one, "/?%74enant=other", "", 403},
		{"all", one, "/?tenant=*", "", 403},
		{"all, of all", all, "/", "*", 200},
		{"one, of all", all, "/?tenant=acme", "acme", 200},
		{"one, twice", all, "/?tenant=acme&tenant=acme", "acme", 200},
		{"two", all, "/?tenant=acme&tenant=other", "", 400},
		{"no name", all, "/?tenant=a%00b", "", 400},
		{"all, without the role", user, "/", "", 403},
		{"one of all, without the role", user, "/?tenant=acme", "", 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := asked(i, request(t, tt.path, "Authorization", "Bearer "+signed(t, claims(tt.claims))))
			if status, _ := outcome(err); status != tt.status || p.Tenant != tt.want {
				t.Errorf("got %d and %q, want %d and %q", status, p.Tenant, tt.status, tt.want)
			}
		})
	}
	anyone := New(Config{Auth: "none"}, apikey.Topic{}, nil, nil)
	if p, err := asked(anyone, request(t, "/", "Authorization", "Bearer nonsense")); err != nil || p.Tenant != schema.DefaultTenant {
		t.Errorf("without credentials: got %+v, %v", p, err)
	}
	if _, err := asked(anyone, request(t, "/?tenant=other")); api.Status(err) != 403 {
		t.Errorf("without credentials, another tenant: got %v, want 403", err)
	}
}
