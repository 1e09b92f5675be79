package cmd_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/activitylog/activitylog/schema/api/contract"
)

const jwtSecret = "0123456789abcdef0123456789abcdef"

// tokenOf returns a token of ada, tenant acme, with more claims.
func tokenOf(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	all := jwt.MapClaims{"sub": "ada", "tenant": "acme", "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString([]byte(jwtSecret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// as sends a request with credentials, and returns the challenge of the response too.
func (p *process) as(t *testing.T, credentials, method, path, body string) (status int, answer, challenge string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if credentials != "" {
		req.Header.Set("Authorization", "Bearer "+credentials)
	}
	status, answer, header := p.do(req)
	if status != 0 {
		contract.Hold(t, contract.Exchange{
			Method: method, Target: path, Header: req.Header, Body: []byte(body), Status: status, AnswerHeader: header, Answer: []byte(answer),
		})
	}
	return status, answer, header.Get("WWW-Authenticate")
}

// Authentication in the write and the read half of each dialect, in one process.
func TestTokens(t *testing.T) {
	p := start(t, []string{"DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "AUTH=jwt", "JWT_SECRET=" + jwtSecret}, "standalone")
	p.until(t, "/readyz", 200, `"status":"ready"`)
	admin, device := tokenOf(t, jwt.MapClaims{"role": "ADMIN"}), tokenOf(t, jwt.MapClaims{"scope": "ingest"})
	reader, noTenant := tokenOf(t, jwt.MapClaims{"role": "AccessAdmin"}), tokenOf(t, jwt.MapClaims{"tenant": ""})
	expired := tokenOf(t, jwt.MapClaims{"exp": 1})
	everybody := tokenOf(t, jwt.MapClaims{"tenant": "*", "role": "ADMIN"})
	for _, tt := range []struct {
		name, credentials, method, path string
		status                          int
		contains, challenge             string
	}{
		{"nobody writes", "", "POST", entries, 401, `"code":40101`, bare},
		{"nobody reads", "", "GET", entries, 401, `"code":40101`, bare},
		{"nobody counts", "", "GET", entries + "/count", 401, `"code":40101`, bare},
		{"nobody deletes", "", "DELETE", entries + "/all", 401, `"code":40101`, bare},
		{"expired, writes", expired, "POST", entries, 401, `"code":40101`, invalidToken},
		{"expired, reads", expired, "GET", entries, 401, `"code":40101`, invalidToken},
		{"expired, deletes", expired, "DELETE", entries + "/1", 401, `"code":40101`, invalidToken},
		{"nonsense", "x", "GET", entries, 401, `"code":40101`, invalidToken},
		{"no tenant, writes", noTenant, "POST", entries, 403, `"code":40301`, ""},
		{"no tenant, reads", noTenant, "GET", entries, 403, `"code":40301`, ""},
		{"another tenant's entries", admin, "GET", entries + "?tenant=other", 403, `"code":40301`, ""},
		{"a reader writes", reader, "POST", entries, 403, "scope ingest", ""},
		{"a reader deletes", reader, "DELETE", entries + "/all", 403, "scope delete", ""},
		{"a device reads", device, "GET", entries, 403, "scope read", ""},
		{"a device deletes", device, "DELETE", entries + "/1", 403, "scope delete", ""},
		{"a device writes", device, "POST", entries, 200, `"code":0`, ""},
		{"everybody's admin writes", everybody, "POST", entries, 403, "?tenant=", ""},
		{"everybody's admin deletes", everybody, "DELETE", entries + "/all", 403, "?tenant=", ""},
		{"everybody's admin writes to one", everybody, "POST", entries + "?tenant=other", 200, `"code":0`, ""},
		{"everybody's admin reads one", everybody, "GET", entries + "?tenant=none", 200, `"data":[]`, ""},
	} {
		status, body, challenge := p.as(t, tt.credentials, tt.method, tt.path, `{"action_type":"login"}`)
		if status != tt.status || !strings.Contains(body, tt.contains) || !strings.HasPrefix(challenge, tt.challenge) || (tt.challenge == "") != (challenge == "") {
			t.Errorf("%s: got %d %s %q, want %d %s %q", tt.name, status, body, challenge, tt.status, tt.contains, tt.challenge)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) { // the two writes above may not be stored yet
		status, body, _ := p.as(t, everybody, "GET", entries+"/count", "")
		if status == 200 && strings.Contains(body, `{"count":2}`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("everybody's admin counts: got %d %s, want an entry of acme and one of other", status, body)
		}
	}
	if _, body, _ := p.as(t, everybody, "GET", entries+"/count?tenant=other", ""); !strings.Contains(body, `{"count":1}`) {
		t.Errorf("everybody's admin counts those of one: got %s, want 1", body)
	}
	for _, path := range []string{"/livez", "/readyz", "/version", "/metrics"} {
		if status, body, _ := p.as(t, "", "GET", path, ""); status != 200 {
			t.Errorf("%s: got %d %s, want it open", path, status, body)
		}
	}
	if _, body, _ := p.as(t, "", "GET", "/metrics", ""); !strings.Contains(body, `activity_auth_requests_total{credential="jwt",outcome="expired"} 3`) {
		t.Error("the metric does not count three expired tokens")
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("got exit %d, want 0", code)
	}
}

// Keys and tokens of activityctl against a running standalone, with the services.env that it writes.
func TestCredentialsOfTheOperator(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, []string{"DATA_DIR=" + data, "AUTH=keys,jwt", "JWT_SECRET=" + jwtSecret, "JWT_ISSUER=us", "JWT_AUDIENCE=logs"}, "standalone")
	p.until(t, "/readyz", 200, `"status":"ready"`)
	ctl := func(args ...string) string {
		t.Helper()
		out, code := run(t, nil, "activityctl", append([]string{"--env-file", filepath.Join(data, "services.env")}, args...)...)
		if code != 0 {
			t.Fatalf("activityctl %v: exit %d: %s", args, code, out)
		}
		return strings.TrimSpace(out)
	}
	can := func(credentials, method, path string, want int) {
		t.Helper()
		if status, body, _ := p.as(t, credentials, method, path, `{"action_type":"login"}`); status != want {
			t.Errorf("%s %s: got %d %s, want %d", method, path, status, body, want)
		}
	}
	seen := func(credentials string, want int) { // a new key takes effect within a second
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			status, body, _ := p.as(t, credentials, "GET", entries, "")
			if status == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("got %d %s, want %d", status, body, want)
			}
		}
	}

	key := ctl("key", "create", "--tenant", "acme", "--scope", "ingest,read", "--name", "the phones", "--expires", "12h", "--rate", "1000")
	seen(key, 200)
	can(key, "POST", entries, 200)
	can(key, "DELETE", entries+"/all", 403)
	list := ctl("key", "list")
	id := strings.Split(key, ".")[1]
	if !strings.Contains(list, id) || !strings.Contains(list, "the phones") || !strings.Contains(list, "1000/s") || strings.Contains(list, strings.Split(key, ".")[2]) {
		t.Errorf("key list: got %s, want the key without its secret", list)
	}
	second := ctl("key", "create", "--tenant", "acme", "--role", "TenantAdmin", "--expires", "never", "--json")
	var made struct{ ID, Key, Status string }
	if err := json.Unmarshal([]byte(second), &made); err != nil || made.Status != "active" {
		t.Fatalf("key create --json: %s, %v", second, err)
	}
	seen(made.Key, 200)
	ctl("key", "revoke", id)
	seen(key, 401)
	can(key, "POST", entries, 401)
	can(made.Key, "DELETE", entries+"/all", 200)
	if list := ctl("key", "list", "--json"); !strings.Contains(list, `"status":"revoked"`) || strings.Contains(list, "hash") {
		t.Errorf("key list --json: got %s, want one revoked and no hash", list)
	}

	// A role in any case gives its scopes. A rotated key keeps them; the old one is valid until the overlap ends.
	analyst := ctl("key", "create", "--tenant", "acme", "--role", "analyst", "--name", "dashboards", "--json")
	if err := json.Unmarshal([]byte(analyst), &made); err != nil || !strings.Contains(analyst, `"scopes":["read"],"roles":["Analyst"]`) {
		t.Fatalf("key create --role analyst: %s, %v", analyst, err)
	}
	old := made
	seen(old.Key, 200)
	if err := json.Unmarshal([]byte(ctl("key", "rotate", old.ID, "--overlap", "1h", "--json")), &made); err != nil || made.ID == old.ID {
		t.Fatalf("key rotate: %+v, %v", made, err)
	}
	seen(made.Key, 200)
	can(old.Key, "GET", entries, 200)
	can(made.Key, "GET", "/api/v1/activity-logs/count", 200)
	export := mustRequest(t, "GET", "http://"+p.addr+"/api/v1/activity-logs/export?action=nothing", "")
	export.Header.Set("X-API-Key", made.Key)
	if status, body, _ := p.do(export); status != 200 {
		t.Errorf("an analyst's export: got %d %s, want 200", status, body)
	}
	can(made.Key, "GET", "/actionlogs.json?Page=1&ItemsPerPage=1", 200)
	can(made.Key, "POST", entries, 403)
	can(made.Key, "DELETE", entries+"/all", 403)
	can(made.Key, "DELETE", "/api/v1/activity-logs?action=login", 403)
	newest := ctl("key", "rotate", made.ID, "--overlap", "0s")
	seen(newest, 200)
	seen(made.Key, 401)

	slow := ctl("key", "create", "--tenant", "acme", "--scope", "ingest", "--rate", "0.01")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		status, body, _ := p.as(t, slow, "POST", entries, `{"action_type":"login"}`)
		if status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a slow key: got %d %s, want 200", status, body)
		}
	}
	can(slow, "POST", entries, 429)
	can(slow, "GET", entries, 429)

	can(ctl("token", "--tenant", "acme", "--role", "ADMIN", "--sub", "ada", "--ttl", "1m"), "DELETE", entries+"/all", 200)
	can(ctl("token", "--tenant", "acme", "--scope", "read"), "POST", entries, 403)
	for _, args := range [][]string{
		{"key", "revoke", "aaaaaaaaaaaa"},
		{"key", "rotate", "aaaaaaaaaaaa"},
		{"key", "rotate", id},
		{"key", "create", "--tenant", "acme", "--role", "Analist"},
		{"key", "create", "--tenant", "acme", "--role", "AccessAdmin", "--role", "User"},
		{"key", "create", "--tenant", "acme"},
		{"key", "create", "--scope", "read"},
		{"key", "create", "--tenant", "*", "--scope", "read"},
		{"key", "create", "--tenant", "acme", "--scope", "write"},
		{"key", "create", "--tenant", "acme", "--scope", "read", "--expires", "soon"},
		{"token", "--ttl", "0s"},
	} {
		if out, code := run(t, nil, "activityctl", append([]string{"--env-file", filepath.Join(data, "services.env")}, args...)...); code == 0 {
			t.Errorf("activityctl %v: got %s, want a refusal", args, out)
		}
	}
	if out, code := run(t, nil, "activityctl", "token"); code != 78 || !strings.Contains(out, "JWT_SECRET") {
		t.Errorf("activityctl token without a secret: got exit %d and %s, want 78", code, out)
	}
}

// A collector without Kafka cannot check keys yet: it answers 503, and works once Kafka is reachable.
func TestKeysWaitForKafka(t *testing.T) {
	t.Parallel()
	broker := freeAddr(t)
	env := []string{"KAFKA_BROKERS=" + broker, "AUTH=keys"}
	c := start(t, env, "collector")
	c.until(t, "/readyz", 503, "API keys")
	const key = "alog.aaaaaaaaaaaa.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	if status, body, _ := c.as(t, key, "POST", entries, `{"action_type":"early"}`); status != 503 || !strings.Contains(body, "API keys") {
		t.Errorf("with a key: got %d %s, want 503 and why", status, body)
	}
	if status, body, _ := c.as(t, "", "POST", entries, `{"action_type":"early"}`); status != 401 {
		t.Errorf("without: got %d %s, want 401", status, body)
	}
	start(t, []string{"BROKER_ADDR=" + broker, "DATA_DIR=" + t.TempDir()}, "standalone", "--only=broker").until(t, "/readyz", 200, "ready")
	confirm(t, broker)
	c.until(t, "/readyz", 200, "ready")
	if status, body, _ := c.as(t, key, "POST", entries, `{"action_type":"early"}`); status != 401 {
		t.Errorf("with an unknown key: got %d %s, want 401", status, body)
	}
	made, code := run(t, env, "activityctl", "key", "create", "--tenant", "acme", "--scope", "ingest")
	if code != 0 {
		t.Fatalf("key create: exit %d: %s", code, made)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		status, body, _ := c.as(t, strings.TrimSpace(made), "POST", entries, `{"action_type":"kept"}`)
		if status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("with the new key: got %d %s, want 200", status, body)
		}
	}
}
