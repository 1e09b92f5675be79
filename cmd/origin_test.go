package cmd_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// envelope returns a text that every error of a dialect contains, by path prefix.
func envelope(path string, status int) string {
	switch {
	case strings.HasPrefix(path, "/api/v1/activity_log"):
		return fmt.Sprintf(`"code":%d01`, status)
	case strings.HasPrefix(path, "/filterActivity"):
		return `{"message":`
	case strings.HasPrefix(path, "/actionlogs"):
		return `"responseStatus"`
	}
	return `"success":false`
}

// A page whose name resolves to 127.0.0.1, and a page of another site, reach a service that runs with its defaults. Neither gets
// anything, in whichever dialect, and both are told why.
func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	env := []string{"KAFKA_BROKERS=" + freeAddr(t), "CLICKHOUSE_DSN=http://default@" + freeAddr(t) + "/default", "CLICKHOUSE_PASSWORD=x"}
	processes := map[string]*process{"collector": start(t, env, "collector"), "query": start(t, env, "query")}
	ask := func(d guarded, host string, header map[string]string) (int, string, http.Header) {
		t.Helper()
		p := processes[d.process]
		req, err := http.NewRequest(d.method, "http://"+p.addr+d.path, strings.NewReader(d.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("Content-Type", "application/json")
		for name, value := range header {
			req.Header.Set(name, value)
		}
		return p.do(req)
	}
	refusedWith := func(status int, what string, d guarded, host string, header map[string]string) {
		t.Helper()
		got, body, _ := ask(d, host, header)
		if got != status || !strings.Contains(body, envelope(d.path, status)) {
			t.Errorf("%s at %s %s: got %d %s, want %d", what, d.method, d.path, got, body, status)
		}
	}
	for _, d := range append(described(t), guardedRoutes...) {
		own := processes[d.process].addr
		for _, host := range []string{"rebind.attacker.test", "rebind.attacker.test:50809", "192.168.1.7", "localhost.attacker.test", "127.0.0.1.attacker.test:80"} {
			refusedWith(421, "host "+host, d, host, map[string]string{"Origin": "http://" + host})
		}
		for _, host := range []string{"", "localhost", "LOCALHOST:50809", "127.0.0.1", "127.9.9.9:1", "[::1]:50809"} {
			if got, body, _ := ask(d, host, nil); got == 421 || got == 403 {
				t.Errorf("host %q at %s %s: got %d %s", host, d.method, d.path, got, body)
			}
		}
		for _, header := range []map[string]string{
			{"Origin": "https://attacker.test"}, {"Origin": "null"}, {"Origin": "http://" + own + ".attacker.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://127.0.0.1:1"},
		} {
			if d.method == "GET" {
				continue // it changes nothing, and the page may not read the answer
			}
			refusedWith(403, fmt.Sprint(header), d, "", header)
		}
		for _, header := range []map[string]string{{"Origin": "http://" + own}, {"Sec-Fetch-Site": "same-origin", "Origin": "http://" + own}, {"Sec-Fetch-Site": "none"}} {
			if got, body, _ := ask(d, "", header); got == 403 {
				t.Errorf("%v at %s %s: got %d %s", header, d.method, d.path, got, body)
			}
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/version", "/openapi.json"} {
		if got, body, _ := ask(guarded{process: "query", method: "GET", path: path}, "prometheus.internal", nil); got == 421 {
			t.Errorf("%s: got %d %s", path, got, body)
		}
	}
}

// What an operator allows works, preflight requests included; without it there are no headers of CORS.
func TestAllowedOriginsAndHosts(t *testing.T) {
	p := start(t, []string{
		"DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "ALLOWED_HOSTS=logs.example.com,other.example.com:8443", "CORS_ORIGINS=https://app.example.com",
	}, "standalone")
	p.until(t, "/readyz", 200, `"status":"ready"`)
	for _, tt := range []struct {
		method, path, host, origin string
		status                     int
		allowed                    string
	}{
		{"POST", entries, "logs.example.com", "https://app.example.com", 200, "https://app.example.com"},
		{"POST", entries, "logs.example.com:50809", "http://logs.example.com:50809", 200, ""},
		{"POST", entries, "other.example.com:8443", "", 200, ""},
		{"POST", entries, "other.example.com:1", "", 421, ""},
		{"POST", entries, "third.example.com", "", 421, ""},
		{"POST", entries, "", "https://other.example.com", 403, ""},
		{"GET", entries, "", "https://app.example.com", 200, "https://app.example.com"},
		{"GET", entries, "", "https://other.example.com", 200, ""},
		{"OPTIONS", entries, "", "https://app.example.com", 204, "https://app.example.com"},
		{"OPTIONS", "/filterActivity", "", "https://app.example.com", 204, "https://app.example.com"},
		{"OPTIONS", "/actionlogs.json", "", "https://app.example.com", 204, "https://app.example.com"},
		{"OPTIONS", "/api/v1/activity-logs/retention", "", "https://app.example.com", 204, "https://app.example.com"},
		{"OPTIONS", entries, "", "https://other.example.com", 405, ""},
	} {
		body := ""
		if tt.method == "POST" {
			body = `{"action_type":"x"}`
		}
		req, err := http.NewRequest(tt.method, "http://"+p.addr+tt.path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = tt.host
		if tt.origin != "" {
			req.Header.Set("Origin", tt.origin)
		}
		if tt.method == "OPTIONS" {
			req.Header.Set("Access-Control-Request-Method", "DELETE")
		}
		status, answer, header := p.do(req)
		if status != tt.status || header.Get("Access-Control-Allow-Origin") != tt.allowed || header.Get("Vary") == "" && tt.path == entries {
			t.Errorf("%s %s to %q from %q: got %d %s, allowed %q, vary %q", tt.method, tt.path, tt.host, tt.origin, status, answer, header.Get("Access-Control-Allow-Origin"), header.Get("Vary"))
		}
		if tt.status == 204 && (!strings.Contains(header.Get("Access-Control-Allow-Methods"), "DELETE") || !strings.Contains(header.Get("Access-Control-Allow-Headers"), "X-API-Key")) {
			t.Errorf("%s: preflight headers %v", tt.path, header)
		}
	}
	// What varies with Accept varies with Origin, too.
	_, _, header := p.do(mustRequest(t, "GET", "http://"+p.addr+"/actionlogs?Page=1&ItemsPerPage=1", ""))
	if vary := strings.Join(header.Values("Vary"), ","); !strings.Contains(vary, "Origin") || !strings.Contains(vary, "Accept") {
		t.Errorf("/actionlogs varies with %q", vary)
	}
	withoutHost(t, p)
	positionsThatCannotBe(t, p)
}

// withoutHost asks over HTTP/1.0, which knows no Host. A page can't send such a request.
func withoutHost(t *testing.T, p *process) {
	t.Helper()
	for request, want := range map[string]string{
		"GET " + entries + " HTTP/1.0\r\n\r\n": "200",
		"POST /filterActivity HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}": "200",
		"GET " + entries + " HTTP/1.0\r\nHost:\r\n\r\n":                                                  "200",
		"GET " + entries + " HTTP/1.0\r\nHost: third.example.com\r\n\r\n":                                "421",
		"GET http://third.example.com" + entries + " HTTP/1.0\r\n\r\n":                                   "421",
		"GET " + entries + " HTTP/1.1\r\n\r\n":                                                           "400", // RFC 9112, section 3.2
	} {
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, request)
		answer := make([]byte, 12)
		_, err = io.ReadFull(conn, answer)
		_ = conn.Close()
		if got := string(answer[9:]); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %s", request, answer, err, want)
		}
	}
}

// positionsThatCannotBe are refused by every read, under the name that the caller gave them.
func positionsThatCannotBe(t *testing.T, p *process) {
	t.Helper()
	for _, path := range []string{entries, entries + "/count", "/actionlogs?Page=1&ItemsPerPage=1", "/api/v1/activity-logs", "/api/v1/activity-logs/stats", "/api/v1/activity-logs/export", "POST /filterActivity"} {
		method, path, ok := strings.Cut(path, " ")
		if !ok {
			method, path = "GET", method
		}
		req := mustRequest(t, method, "http://"+p.addr+path, "")
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Activity-Position", "p0:0,p77:0")
		if status, body, _ := p.do(req); status != 400 || !strings.Contains(body, "X-Activity-Position: names partition 77; the highest is ") {
			t.Errorf("%s %s: got %d %s", method, path, status, body)
		}
	}
}
