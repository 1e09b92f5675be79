package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/cmd/internal/identity/apikey"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// asked returns what a handler behind i learns about the sender of the request.
func asked(i *Identity, r *http.Request) (p schema.Principal, err error) {
	i.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p, err = schema.PrincipalOf(r.Context())
	})).ServeHTTP(nil, r) // it never writes a response
	return p, err
}

func request(t *testing.T, path string, headers ...string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Host = "localhost"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func bearer(t *testing.T, token string) *http.Request {
	return request(t, "/", "Authorization", "Bearer "+token)
}

// claims returns the claims of a valid token with changes; nil removes a claim.
func claims(changes jwt.MapClaims) jwt.MapClaims {
	c := jwt.MapClaims{"sub": "ada", "tenant": "acme", "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func sign(t *testing.T, method jwt.SigningMethod, key any, c jwt.MapClaims, header ...string) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	for i := 0; i < len(header); i += 2 {
		token.Header[header[i]] = header[i+1]
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func signed(t *testing.T, c jwt.MapClaims) string {
	return sign(t, jwt.SigningMethodHS256, []byte(secret), c)
}

func newIdentity(t *testing.T, s JWT) *Identity {
	t.Helper()
	all := Config{Auth: "jwt", JWT: s}
	if err := all.Validate("0.0.0.0:1"); err != nil {
		t.Fatal(err)
	}
	return New(all, apikey.Topic{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

// outcome returns status and challenge of a refusal, as a dialect answers it; 200 without one.
func outcome(err error) (status int, challenge string) {
	if err == nil {
		return http.StatusOK, ""
	}
	h := http.Header{}
	api.Challenge(h, err)
	return api.Status(err), h.Get("WWW-Authenticate")
}

func TestClaims(t *testing.T) {
	i := newIdentity(t, JWT{Signing: Signing{Secret: secret}})
	all := schema.Scopes()
	ingestRead := []schema.Scope{schema.ScopeIngest, schema.ScopeRead}
	for _, tt := range []struct {
		name   string
		change jwt.MapClaims
		want   schema.Principal
	}{
		{"no role", nil, schema.Principal{Scopes: ingestRead}},
		{"org", jwt.MapClaims{"tenant": nil, "org": "acme"}, schema.Principal{Scopes: ingestRead}},
		{"tenant before org", jwt.MapClaims{"org": "other"}, schema.Principal{Scopes: ingestRead}},
		{"role", jwt.MapClaims{"role": "ADMIN"}, schema.Principal{Roles: []string{"ADMIN"}, Scopes: all}},
		{"roles", jwt.MapClaims{"roles": []string{"Admin"}}, schema.Principal{Roles: []string{"Admin"}, Scopes: all}},
		{"role and roles", jwt.MapClaims{"role": "x", "roles": []string{"AccessAdmin"}}, schema.Principal{Roles: []string{"x", "AccessAdmin"}, Scopes: ingestRead}},
		{"tenant's admin", jwt.MapClaims{"role": "TenantAdmin"}, schema.Principal{Roles: []string{"TenantAdmin"}, Scopes: all[:3]}},
		{"access admin", jwt.MapClaims{"role": "AccessAdmin"}, schema.Principal{Roles: []string{"AccessAdmin"}, Scopes: []schema.Scope{schema.ScopeRead}}},
		{"administrator in lower case", jwt.MapClaims{"role": "admin"}, schema.Principal{Roles: []string{"admin"}, Scopes: all}},
		{"tenant's admin in capitals", jwt.MapClaims{"role": "TENANTADMIN"}, schema.Principal{Roles: []string{"TENANTADMIN"}, Scopes: all[:3]}},
		{"analyst", jwt.MapClaims{"role": "Analyst"}, schema.Principal{Roles: []string{"Analyst"}, Scopes: []schema.Scope{schema.ScopeRead}}},
		{"analyst in lower case", jwt.MapClaims{"roles": []string{"analyst"}}, schema.Principal{Roles: []string{"analyst"}, Scopes: []schema.Scope{schema.ScopeRead}}},
		{"a role that only begins like one", jwt.MapClaims{"role": "ADMINS"}, schema.Principal{Roles: []string{"ADMINS"}, Scopes: ingestRead}},
		{"scope", jwt.MapClaims{"role": "ADMIN", "scope": "read openid  ingest"}, schema.Principal{Roles: []string{"ADMIN"}, Scopes: []schema.Scope{schema.ScopeRead, schema.ScopeIngest}}},
		{"scope of others", jwt.MapClaims{"scope": "openid profile email"}, schema.Principal{Scopes: ingestRead}},
		{"scope of others, and a role", jwt.MapClaims{"role": "ADMIN", "scope": "openid offline_access"}, schema.Principal{Roles: []string{"ADMIN"}, Scopes: all}},
		{"scope of others that contains ours", jwt.MapClaims{"role": "AccessAdmin", "scope": "reader admin:all READ"}, schema.Principal{Roles: []string{"AccessAdmin"}, Scopes: []schema.Scope{schema.ScopeRead}}},
		{"empty scope", jwt.MapClaims{"scope": ""}, schema.Principal{Scopes: ingestRead}},
		{"scope that is null", jwt.MapClaims{"role": "ADMIN", "scope": json.RawMessage("null")}, schema.Principal{Roles: []string{"ADMIN"}, Scopes: all}},
		{"another claim's spelling", jwt.MapClaims{"Tenant": "other", "SCOPE": "admin"}, schema.Principal{Scopes: ingestRead}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Tenant, tt.want.Subject = "acme", "ada"
			got, err := asked(i, bearer(t, signed(t, claims(tt.change))))
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

// TestATokenHasNoMoreThanItsScopes writes the scopes of an administrator's token as issuers do.
func TestATokenHasNoMoreThanItsScopes(t *testing.T) {
	i := newIdentity(t, JWT{Signing: Signing{Secret: secret}})
	read, both := []schema.Scope{schema.ScopeRead}, []schema.Scope{schema.ScopeRead, schema.ScopeDelete}
	for _, tt := range []struct {
		name  string
		claim any
		want  []schema.Scope
	}{
		{"in capitals", "READ", read},
		{"in another case", "Read Delete", both},
		{"commas", "read,delete", both},
		{"commas and spaces, in another case", "Read, Delete", both},
		{"semicolons", "read; delete", both},
		{"bars", "read|delete", both},
		{"pluses", "read+delete", both},
		{"new lines", "read\r\n\tdelete", both},
		{"spaces that do not break", "read\u00a0delete\u200b", both},
		{"a list", []string{"read", "delete"}, both},
		{"a list of one in capitals", []string{"READ"}, read},
		{"lists in a list", []string{"read delete", "openid,READ"}, both},
		{"a list as text", `["read","delete"]`, both},
		{"a list as text, with other quotes", "['read', 'delete']", both},
		{"a list as text, without quotes", "[read, delete]", both},
		{"a list of a database", "{read,delete}", both},
		{"between scopes of others", "openid,profile,READ,https://other.example/admin", read},
	} {
		for _, claim := range []string{"scope", "scopes", "scp"} {
			t.Run(tt.name+" in "+claim, func(t *testing.T) {
				got, err := asked(i, bearer(t, signed(t, claims(jwt.MapClaims{"role": "ADMIN", claim: tt.claim}))))
				if err != nil || !reflect.DeepEqual(got.Scopes, tt.want) {
					t.Errorf("got %v, %v, want %v", got.Scopes, err, tt.want)
				}
			})
		}
	}
	for _, claim := range []any{"", " ", []string{}, []string{""}, "openid profile", []string{"openid", "api:read", "reader"}, "read:all,admin.write", "orders(admin) app[delete]", "sales&admin {read}s 'x'admin", "orders(create,admin)", "orders(create admin)", "app[read delete]", "orders (admin)", "'an admin'"} {
		got, err := asked(i, bearer(t, signed(t, claims(jwt.MapClaims{"role": "TenantAdmin", "scp": claim}))))
		if want := schema.Scopes()[:3]; err != nil || !reflect.DeepEqual(got.Scopes, want) {
			t.Errorf("%v, which names none of our scopes: got %v, %v, want those of the role", claim, got.Scopes, err)
		}
	}
	got, err := asked(i, bearer(t, signed(t, claims(jwt.MapClaims{"role": "ADMIN", "scope": "openid", "scp": "read", "scopes": []string{"delete"}}))))
	if err != nil || !reflect.DeepEqual(got.Scopes, []schema.Scope{schema.ScopeDelete, schema.ScopeRead}) {
		t.Errorf("in three claims: got %v, %v", got.Scopes, err)
	}
}

// TestRolesAsIssuersWriteThem has tokens that a caller with an unknown role, who may write, must not be taken for.
func TestRolesAsIssuersWriteThem(t *testing.T) {
	i := newIdentity(t, JWT{Signing: Signing{Secret: secret}})
	for _, tt := range []struct {
		roles any
		want  []string
	}{
		{" Analyst ", []string{"Analyst"}},
		{"analyst,ACCESSADMIN", []string{"analyst", "ACCESSADMIN"}},
		{"Analyst; AccessAdmin", []string{"Analyst", "AccessAdmin"}},
		{[]string{"Analyst", ""}, []string{"Analyst"}},
		{[]string{"Analyst|AccessAdmin", " "}, []string{"Analyst", "AccessAdmin"}},
	} {
		for _, claim := range []string{"role", "roles"} {
			got, err := asked(i, bearer(t, signed(t, claims(jwt.MapClaims{claim: tt.roles}))))
			if err != nil || !reflect.DeepEqual(got.Roles, tt.want) || !reflect.DeepEqual(got.Scopes, []schema.Scope{schema.ScopeRead}) {
				t.Errorf("%s %q: got %q with %v, %v, want %q with read", claim, tt.roles, got.Roles, got.Scopes, err, tt.want)
			}
		}
	}
	for _, role := range []string{"Tenant Admin", "(ADMIN)", "[ADMIN]", "'ADMIN'"} {
		got, err := asked(i, bearer(t, signed(t, claims(jwt.MapClaims{"role": role}))))
		if err != nil || !reflect.DeepEqual(got.Roles, []string{role}) || !reflect.DeepEqual(got.Scopes, ScopesOfRoles(nil)) {
			t.Errorf("the unknown role %s: got %q with %v, %v", role, got.Roles, got.Scopes, err)
		}
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	i := newIdentity(t, JWT{Signing: Signing{Secret: secret, Issuer: "us", Audience: "activitylog"}})
	good := func(change jwt.MapClaims) string {
		c := claims(jwt.MapClaims{"iss": "us", "aud": "activitylog"})
		maps.Copy(c, change)
		maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
		return signed(t, c)
	}
	hour := time.Hour
	none := sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(jwt.MapClaims{"iss": "us", "aud": "activitylog"}))
	header, rest, _ := strings.Cut(good(nil), ".")
	for _, tt := range []struct {
		name, token string
		status      int
		says        string
	}{
		{"good", good(nil), 200, ""},
		{"for several audiences", good(jwt.MapClaims{"aud": []string{"x", "activitylog"}}), 200, ""},
		{"expired", good(jwt.MapClaims{"exp": time.Now().Add(-time.Second).Unix()}), 401, "expired"},
		{"without an end", good(jwt.MapClaims{"exp": nil}), 401, "lacks a required claim"},
		{"with an end that is not a number", good(jwt.MapClaims{"exp": "tomorrow"}), 401, "invalid_token"},
		{"not yet", good(jwt.MapClaims{"nbf": time.Now().Add(hour).Unix()}), 401, "not valid yet"},
		{"of another issuer", good(jwt.MapClaims{"iss": "them"}), 401, "issuer"},
		{"of no issuer", good(jwt.MapClaims{"iss": nil}), 401, "lacks a required claim"},
		{"for another audience", good(jwt.MapClaims{"aud": "others"}), 401, "audience"},
		{"for no audience", good(jwt.MapClaims{"aud": nil}), 401, "lacks a required claim"},
		{"without a tenant", good(jwt.MapClaims{"tenant": nil}), 403, ""},
		{"with an empty tenant", good(jwt.MapClaims{"tenant": "", "org": ""}), 403, ""},
		{"with a tenant that is not a text", good(jwt.MapClaims{"tenant": "a\x00b"}), 403, ""},
		{"with a tenant too long", good(jwt.MapClaims{"tenant": strings.Repeat("x", 1025)}), 403, ""},
		{"with a tenant that is a list", good(jwt.MapClaims{"tenant": []string{"acme"}}), 401, "tenant must be a string"},
		{"with a subject that is not a text", good(jwt.MapClaims{"sub": "a\x00"}), 401, "sub"},
		{"with a subject that is a number", good(jwt.MapClaims{"sub": 1}), 401, "sub must be"},
		{"with a role that is a number", good(jwt.MapClaims{"role": 1}), 401, "role must be"},
		{"with a scope that is a number", good(jwt.MapClaims{"scope": 7}), 401, "scope must be a string or a list of strings"},
		{"with a scope that is an object", good(jwt.MapClaims{"scope": map[string]any{"read": true}}), 401, "scope must be a string or a list of strings"},
		{"with a list of scopes that has a number", good(jwt.MapClaims{"scp": []any{"read", 7}}), 401, "scp must be a string or a list of strings"},
		{"of no algorithm", none, 401, "invalid_token"},
		{"of no algorithm, with a signature", none + "AAAA", 401, "invalid_token"},
		{"with another secret", sign(t, jwt.SigningMethodHS256, []byte("x"+secret), claims(nil)), 401, "signature"},
		{"of another algorithm with the secret", sign(t, jwt.SigningMethodHS512, []byte(secret), claims(nil)), 401, "signature"},
		{"with a critical header", sign(t, jwt.SigningMethodHS256, []byte(secret), claims(nil), "crit", "b64"), 401, "signature"},
		{"changed", header + "." + "e30" + rest, 401, "invalid_token"},
		{"cut", good(nil)[:60], 401, "malformed"},
		{"not a token", "hunter2", 401, "malformed"},
		{"huge", good(jwt.MapClaims{"x": strings.Repeat("x", maxCredential)}), 401, "too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := asked(i, bearer(t, tt.token))
			status, challenge := outcome(err)
			if status != tt.status || !strings.Contains(challenge, tt.says) || (status == 401) != strings.HasPrefix(challenge, `Bearer error="invalid_token"`) {
				t.Errorf("got %d %s, want %d %q", status, challenge, tt.status, tt.says)
			}
			if err != nil && p.Tenant != "" {
				t.Errorf("refused, but a principal of %s", p.Tenant)
			}
		})
	}
}

// The clocks of those who sign and those who check may differ by the leeway.
func TestLeeway(t *testing.T) {
	i := newIdentity(t, JWT{Signing: Signing{Secret: secret}, Leeway: 30 * time.Second})
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for _, tt := range []struct {
		name   string
		claims jwt.MapClaims
		says   string // empty: accepted
	}{
		{"expired a moment ago", jwt.MapClaims{"exp": at(-15 * time.Second)}, ""},
		{"expired long ago", jwt.MapClaims{"exp": at(-45 * time.Second)}, "expired"},
		{"valid in a moment", jwt.MapClaims{"nbf": at(15 * time.Second)}, ""},
		{"valid in a while", jwt.MapClaims{"nbf": at(45 * time.Second)}, "not valid yet"},
		{"issued in a moment", jwt.MapClaims{"iat": at(15 * time.Second)}, ""},
	} {
		_, err := asked(i, bearer(t, signed(t, claims(tt.claims))))
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.says)
		}
	}
	var c Config
	if c.Defaults(); c.JWT.Leeway != 30*time.Second {
		t.Errorf("the default is %v, want 30s", c.JWT.Leeway)
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func rsaJWK(kid string, key *rsa.PublicKey, more string) string {
	return fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,"e":"AQAB"%s}`, kid, b64(key.N.Bytes()), more)
}

func ecJWK(t *testing.T, kid string, key *ecdsa.PublicKey) string {
	t.Helper()
	point, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	half := len(point) / 2
	return fmt.Sprintf(`{"kty":"EC","kid":%q,"crv":%q,"x":%q,"y":%q}`, kid, key.Curve.Params().Name, b64(point[1:1+half]), b64(point[1+half:]))
}

// keyServer serves a set of keys that a test changes.
type keyServer struct {
	set  atomic.Pointer[string] // nil: an error
	asks atomic.Int64
	url  string
}

func serveKeys(t *testing.T, keys ...string) *keyServer {
	s := &keyServer{}
	s.put(keys...)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asks.Add(1)
		set := s.set.Load()
		if set == nil {
			http.Error(w, "away", http.StatusBadGateway)
			return
		}
		fmt.Fprint(w, *set)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *keyServer) put(keys ...string) {
	set := `{"keys":[` + strings.Join(keys, ",") + `]}`
	s.set.Store(&set)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestPublicKeys(t *testing.T) {
	rsaKey, other, short := must(rsa.GenerateKey(rand.Reader, 2048)), must(rsa.GenerateKey(rand.Reader, 2048)), must(rsa.GenerateKey(rand.Reader, 1024))
	p256, p384 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	server := serveKeys(
		t, rsaJWK("r", &rsaKey.PublicKey, ""), rsaJWK("only256", &rsaKey.PublicKey, `,"alg":"RS256","use":"sig"`), rsaJWK("enc", &rsaKey.PublicKey, `,"use":"enc"`),
		rsaJWK("short", &short.PublicKey, ""), ecJWK(t, "p256", &p256.PublicKey), ecJWK(t, "p384", &p384.PublicKey),
		rsaJWK("cert", &rsaKey.PublicKey, `,"x5c":["bm8gY2VydGlmaWNhdGU"],"x5u":"::","d":"AQAB"`),
		`{"kty":"oct","kid":"oct","k":"`+b64([]byte(secret))+`"}`, `{"kty":"new","kid":"unheard-of"}`, `7`,
	)
	i := newIdentity(t, JWT{JWKSURL: server.url})
	if err := i.tokens.set.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	der := must(x509.MarshalPKIXPublicKey(&rsaKey.PublicKey))
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	with := func(kid string, method jwt.SigningMethod, key any) string {
		return sign(t, method, key, claims(nil), "kid", kid)
	}
	for _, tt := range []struct {
		name, token string
		ok          bool
	}{
		{"RS256", with("r", jwt.SigningMethodRS256, rsaKey), true},
		{"RS512", with("r", jwt.SigningMethodRS512, rsaKey), true},
		{"a key with a certificate that is none and a private part", with("cert", jwt.SigningMethodRS256, rsaKey), true},
		{"the key's algorithm", with("only256", jwt.SigningMethodRS256, rsaKey), true},
		{"not the key's algorithm", with("only256", jwt.SigningMethodRS384, rsaKey), false},
		{"ES256", with("p256", jwt.SigningMethodES256, p256), true},
		{"ES384", with("p384", jwt.SigningMethodES384, p384), true},
		{"another key", with("r", jwt.SigningMethodRS256, other), false},
		{"another kid", with("only256", jwt.SigningMethodES256, p256), false},
		{"unknown kid", with("none", jwt.SigningMethodRS256, rsaKey), false},
		{"no kid, where there are several", sign(t, jwt.SigningMethodRS256, rsaKey, claims(nil)), false},
		{"a key for encryption", with("enc", jwt.SigningMethodRS256, rsaKey), false},
		{"a short key", with("short", jwt.SigningMethodRS256, short), false},
		{"PS256, which is not on the list", with("r", jwt.SigningMethodPS256, rsaKey), false},
		{"the public key as a secret, PEM", with("r", jwt.SigningMethodHS256, public), false},
		{"the public key as a secret, DER", with("r", jwt.SigningMethodHS256, der), false},
		{"a published secret", with("oct", jwt.SigningMethodHS256, []byte(secret)), false},
		{"no algorithm", with("r", jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := asked(i, bearer(t, tt.token))
			if status, challenge := outcome(err); (status == 200) != tt.ok || !tt.ok && (status != 401 || !strings.Contains(challenge, "invalid_token")) {
				t.Errorf("got %d %s, want ok %v", status, challenge, tt.ok)
			}
		})
	}
	embedded := must(json.Marshal(map[string]string{"kty": "RSA", "n": b64(other.N.Bytes()), "e": "AQAB"}))
	token := sign(t, jwt.SigningMethodRS256, other, claims(nil), "kid", "r", "jwk", string(embedded), "jku", server.url, "x5u", server.url)
	asks := server.asks.Load()
	if _, err := asked(i, bearer(t, token)); api.Status(err) != 401 || server.asks.Load() != asks {
		t.Errorf("a token that brings its key: got %v after %d fetches, want 401 and none", err, server.asks.Load()-asks)
	}
}

// Without a set, tokens get 503 and a reason. Once fetched, the set is kept, and new keys are found.
func TestKeysComeAndGo(t *testing.T) {
	first, second := must(rsa.GenerateKey(rand.Reader, 2048)), must(rsa.GenerateKey(rand.Reader, 2048))
	server := serveKeys(t)
	server.set.Store(nil)
	i := newIdentity(t, JWT{JWKSURL: server.url})
	set := i.tokens.set
	set.pause = 0
	one, two := sign(t, jwt.SigningMethodRS256, first, claims(nil)), sign(t, jwt.SigningMethodRS256, second, claims(nil), "kid", "2")
	if _, err := asked(i, bearer(t, one)); api.Status(err) != 503 || api.RetryAfter(err) == 0 {
		t.Errorf("without keys: got %v, want unavailable", err)
	}
	if err := i.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("ready: got %v, want the answer's status", err)
	}
	server.put(rsaJWK("1", &first.PublicKey, ""))
	if _, err := asked(i, bearer(t, one)); err != nil { // it names no key, and there is only one
		t.Errorf("with keys: %v", err)
	}
	if err := i.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	server.put(rsaJWK("1", &first.PublicKey, ""), rsaJWK("2", &second.PublicKey, ""))
	if _, err := asked(i, bearer(t, two)); err != nil {
		t.Errorf("with a new key: %v", err)
	}
	server.set.Store(nil)
	if _, err := asked(i, bearer(t, two)); err != nil {
		t.Errorf("without the server: %v", err)
	}
	set.pause = time.Hour
	asks := server.asks.Load()
	for range 10 {
		if _, err := asked(i, bearer(t, sign(t, jwt.SigningMethodRS256, first, claims(nil), "kid", "3"))); api.Status(err) != 401 {
			t.Errorf("unknown kid: got %v, want 401", err)
		}
	}
	if n := server.asks.Load() - asks; n != 0 {
		t.Errorf("unknown kids: %d fetches within the pause, want none", n)
	}
}

func TestSetsThatAreRefused(t *testing.T) {
	moved := httptest.NewServer(http.RedirectHandler("http://example.com/keys", http.StatusFound))
	defer moved.Close()
	for name, body := range map[string]string{
		"not JSON": "<html>", "no keys": `{}`, "no usable key": `{"keys":[{"kty":"oct","k":"AAAA"}]}`,
		"too large": `{"keys":[],"x":"` + strings.Repeat("x", setBytes) + `"}`,
	} {
		server := serveKeys(t)
		server.set.Store(&body)
		if err := newKeySet(server.url, slog.New(slog.DiscardHandler)).refresh(t.Context()); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := newKeySet(moved.URL, slog.New(slog.DiscardHandler)).refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("moved to where it can be changed: got %v", err)
	}
}

func TestRunFollowsKeys(t *testing.T) {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	server := serveKeys(t, rsaJWK("1", &key.PublicKey, ""))
	i := newIdentity(t, JWT{JWKSURL: server.url})
	p := service.NewProcess(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := p.Start(t.Context(), i.Part()); err != nil {
		t.Fatal(err)
	}
	if !p.AwaitReady(t.Context()) {
		t.Error("not ready")
	}
	if err := p.Drain(); err != nil {
		t.Error(err)
	}
}
