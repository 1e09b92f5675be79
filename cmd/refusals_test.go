package cmd_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.yaml.in/yaml/v4"
)

// guarded is a route that requires credentials.
type guarded struct {
	process, method, path, body string
	needs                       string // the scope; "" where only refusals are tested
	administrator               bool   // also needs the role ADMIN
	unknown, forbidden          string // what its responses 401 and 403 contain
}

// guardedRoutes are routes of every dialect, and how each refuses credentials.
var guardedRoutes = []guarded{
	{"collector", "POST", entries, `{"action_type":"x"}`, "ingest", false, `"code":40101`, `"code":40301`},
	{"query", "GET", entries, "", "read", false, `"code":40101`, `"code":40301`},
	{"query", "GET", entries + "/count", "", "read", false, `"code":40101`, `"code":40301`},
	{"query", "DELETE", entries + "/1", "", "delete", false, `"code":40101`, `"code":40301`},
	{"query", "DELETE", entries + "/all", "", "delete", false, `"code":40101`, `"code":40301`},
	{"query", "POST", "/filterActivity", "{}", "read", false, `{"message":`, `{"message":`},
	{"collector", "POST", "/api/v1/activity-logs", `{"action":"x"}`, "ingest", false, `"success":false`, `"success":false`},
	{"collector", "POST", "/api/v1/activity-logs/batch", `[{"action":"x"}]`, "ingest", false, `"success":false`, `"success":false`},
	{"query", "GET", "/api/v1/activity-logs", "", "read", true, `"success":false`, `"success":false`},
	{"query", "GET", "/api/v1/activity-logs/user/u", "", "read", true, `"success":false`, `"success":false`},
	{"query", "GET", "/api/v1/activity-logs/target/t/1", "", "read", true, `"success":false`, `"success":false`},
	{"query", "GET", "/api/v1/activity-logs/action/x", "", "read", true, `"success":false`, `"success":false`},
	{"query", "GET", "/api/v1/activity-logs/count", "", "read", true, `"success":false`, `"success":false`},
	{"query", "GET", "/api/v1/activity-logs/stats", "", "read", true, `"success":false`, `"success":false`},
	{"query", "GET", "/api/v1/activity-logs/1", "", "read", true, `"success":false`, `"success":false`},
}

// described returns all routes in openapi.yaml that require credentials.
func described(t *testing.T) (all []guarded) {
	t.Helper()
	text, err := os.ReadFile("../schema/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Paths map[string]map[string]struct {
			Tags     []string
			Security *[]any // empty: open
		}
	}
	if err := yaml.Unmarshal(text, &api); err != nil {
		t.Fatal(err)
	}
	for path, operations := range api.Paths {
		for method, o := range operations {
			d := guarded{process: "query", method: strings.ToUpper(method), path: parameters.ReplaceAllString(strings.Replace(path, "{suffix}", "json", 1), "1")}
			if o.Security != nil && len(*o.Security) == 0 || !slices.Contains([]string{"GET", "POST", "PUT", "DELETE"}, d.method) {
				continue
			}
			if slices.ContainsFunc(o.Tags, func(tag string) bool { return strings.HasSuffix(tag, "write") }) {
				d.process = "collector"
			}
			all = append(all, d)
		}
	}
	if len(all) < 7 {
		t.Fatalf("the description has %d routes that want credentials", len(all))
	}
	return all
}

var parameters = regexp.MustCompile(`\{[^}]+\}`)

// refused sends a request with bad credentials to every route; query is added to each path.
func refused(t *testing.T, processes map[string]*process, name, credentials, query string, status int, challenge string) {
	t.Helper()
	for _, d := range append(described(t), guardedRoutes...) {
		got, body, header := processes[d.process].as(t, credentials, d.method, d.path+query, d.body)
		contains := d.unknown
		if status == 403 {
			contains = d.forbidden
		}
		if got != status || !strings.Contains(body, contains) || !strings.HasPrefix(header, challenge) || (challenge == "") != (header == "") {
			t.Errorf("%s at %s %s: got %d %s %q, want %d %s %q", name, d.method, d.path, got, body, header, status, contains, challenge)
		}
	}
}

const bare, invalidToken = "Bearer", `Bearer error="invalid_token"`

// Every route of every dialect refuses bad credentials in its own envelope, before it needs Kafka or ClickHouse.
func TestEveryDoorRefuses(t *testing.T) {
	broker := freeAddr(t)
	env := []string{
		"KAFKA_BROKERS=" + broker, "CLICKHOUSE_DSN=http://default@" + freeAddr(t) + "/default", "CLICKHOUSE_PASSWORD=x",
		"AUTH=keys,jwt", "JWT_SECRET=" + jwtSecret, "JWT_ISSUER=us", "JWT_AUDIENCE=logs",
	}
	start(t, []string{"BROKER_ADDR=" + broker, "DATA_DIR=" + t.TempDir()}, "standalone", "--only=broker").until(t, "/readyz", 200, "ready")
	confirm(t, broker)
	key := func(args ...string) string {
		t.Helper()
		out, code := run(t, env, "activityctl", append([]string{"key"}, args...)...)
		if code != 0 {
			t.Fatalf("activityctl key %v: exit %d: %s", args, code, out)
		}
		return strings.TrimSpace(out)
	}
	revoked, over := key("create", "--tenant", "acme", "--role", "ADMIN"), key("create", "--tenant", "acme", "--role", "ADMIN", "--expires", "1s")
	key("revoke", strings.Split(revoked, ".")[1])
	good := key("create", "--tenant", "acme", "--role", "ADMIN")
	until := time.Now().Add(1100 * time.Millisecond) // until the token has expired
	processes := map[string]*process{"collector": start(t, env, "collector"), "query": start(t, env, "query")}
	processes["collector"].until(t, "/readyz", 200, `{"name":"auth","ready":true}`)
	processes["query"].until(t, "/readyz", 503, `{"name":"auth","ready":true}`)
	time.Sleep(time.Until(until))

	with := func(claims jwt.MapClaims) string {
		for name, v := range map[string]any{"iss": "us", "aud": "logs", "role": "ADMIN"} {
			if _, given := claims[name]; !given {
				claims[name] = v
			}
		}
		return tokenOf(t, claims)
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"tenant": "acme", "role": "ADMIN", "iss": "us", "aud": "logs", "exp": 4e9}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	ada, eve := with(jwt.MapClaims{}), with(jwt.MapClaims{"sub": "eve"})
	foreign, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"tenant": "acme", "role": "ADMIN", "iss": "us", "aud": "logs", "exp": 4e9}).SignedString([]byte("x" + jwtSecret))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, processes, "nobody", "", "", 401, bare)
	for name, credentials := range map[string]string{
		"nonsense": "x", "a token without a signature": unsigned, "a token that has expired": with(jwt.MapClaims{"exp": 1}),
		"a token that is not good yet": with(jwt.MapClaims{"nbf": time.Now().Add(time.Hour).Unix()}), "a token without an end": with(jwt.MapClaims{"exp": nil}),
		"another issuer's token": with(jwt.MapClaims{"iss": "them"}), "a token for others": with(jwt.MapClaims{"aud": "others"}),
		"a token with another's signature": eve[:strings.LastIndexByte(eve, '.')] + ada[strings.LastIndexByte(ada, '.'):], "a token with another secret": foreign, "a huge token": with(jwt.MapClaims{"x": strings.Repeat("x", 9000)}),
		"a revoked key": revoked, "an expired key": over, "a key with another's secret": good[:strings.LastIndexByte(good, '.')] + revoked[strings.LastIndexByte(revoked, '.'):],
		"an unknown key": "alog.aaaaaaaaaaaa." + good[strings.LastIndexByte(good, '.')+1:],
	} {
		refused(t, processes, name, credentials, "", 401, invalidToken)
	}
	refused(t, processes, "a token without a tenant", with(jwt.MapClaims{"tenant": nil}), "", 403, "")
	refused(t, processes, "a key, for another tenant", good, "?tenant=other", 403, "")
	refused(t, processes, "all tenants, without the role", with(jwt.MapClaims{"tenant": "*", "role": "TenantAdmin"}), "", 403, "")

	// Kafka and ClickHouse are unavailable: a request that may pass gets 503.
	for _, d := range guardedRoutes {
		p := processes[d.process]
		for name, claims := range map[string]jwt.MapClaims{
			"its scope": {"scope": d.needs}, "all scopes but its own": {"scope": strings.ReplaceAll("ingest read delete admin", d.needs, "")}, "its scope, without the role": {"scope": d.needs, "role": "TenantAdmin"},
			"scopes of others": {"scope": "openid profile"},
		} {
			status, body, _ := p.as(t, with(claims), d.method, d.path, d.body)
			may := name == "its scope" || name == "scopes of others" || name == "its scope, without the role" && !d.administrator
			if may == (status == 403) || status == 401 || status == 200 && d.process == "query" {
				t.Errorf("%s at %s %s: got %d %s", name, d.method, d.path, status, body)
			}
		}
		status, body, _ := p.as(t, with(jwt.MapClaims{"tenant": "*"}), d.method, d.path, d.body)
		if writes := d.needs == "ingest" || d.needs == "delete"; writes != (status == 403) || writes && !strings.Contains(body, "?tenant=") {
			t.Errorf("all tenants at %s %s: got %d %s", d.method, d.path, status, body)
		}
	}
}

// A token signed with a published public key as its secret is refused, and so is one with a key outside the set.
func TestEveryDoorRefusesForgedKeys(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	set := fmt.Sprintf(`{"keys":[{"kty":"RSA","kid":"1","n":%q,"e":"AQAB"}]}`, base64.RawURLEncoding.EncodeToString(key.N.Bytes()))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, set) }))
	defer server.Close()
	env := []string{
		"KAFKA_BROKERS=" + freeAddr(t), "CLICKHOUSE_DSN=http://default@" + freeAddr(t) + "/default", "CLICKHOUSE_PASSWORD=x", "AUTH=jwt", "JWT_JWKS_URL=" + server.URL,
	}
	processes := map[string]*process{"collector": start(t, env, "collector"), "query": start(t, env, "query")}
	for _, p := range processes {
		p.until(t, "/readyz", 503, `{"name":"auth","ready":true}`)
	}
	sign := func(method jwt.SigningMethod, kid string, key any) string {
		token := jwt.NewWithClaims(method, jwt.MapClaims{"tenant": "acme", "role": "ADMIN", "exp": time.Now().Add(time.Hour).Unix()})
		token.Header["kid"] = kid
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, credentials := range map[string]string{
		"a token of HS256 with the public key":          sign(jwt.SigningMethodHS256, "1", der),
		"a token of HS256 with the public key as PEM":   sign(jwt.SigningMethodHS256, "1", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"a token without a signature":                   sign(jwt.SigningMethodNone, "1", jwt.UnsafeAllowNoneSignatureType),
		"a token of an unknown key":                     sign(jwt.SigningMethodRS256, "2", key),
		"a token of another algorithm of the same key":  sign(jwt.SigningMethodPS256, "1", key),
		"an API key, where none are taken":              "alog.aaaaaaaaaaaa.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"a token of the secret that others have chosen": tokenOf(t, jwt.MapClaims{"role": "ADMIN"}),
	} {
		refused(t, processes, name, credentials, "", 401, invalidToken)
	}
	for _, d := range guardedRoutes {
		if status, body, _ := processes[d.process].as(t, sign(jwt.SigningMethodRS256, "1", key), d.method, d.path, d.body); status == 401 || status == 403 {
			t.Errorf("a good token at %s %s: got %d %s", d.method, d.path, status, body)
		}
	}
}
