package cmd_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

var block = regexp.MustCompile(`(?s)<pre><code>(.*?)</code></pre>`)

// commandsOf returns the commands on the page of the first steps.
func commandsOf(t *testing.T, p *process) string {
	t.Helper()
	status, text := p.ask(http.MethodGet, "/start", "")
	if status != http.StatusOK {
		t.Fatalf("GET /start: got %d %s, want 200", status, text)
	}
	var all []string
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		all = append(all, html.UnescapeString(m[1]))
	}
	if len(all) < 2 {
		t.Fatalf("the page has the commands %q, want those to write and to read", all)
	}
	return strings.Join(all, "\n")
}

// The commands on the page work as pasted, whatever credentials the service asks for.
func TestHomePageCommands(t *testing.T) {
	for _, env := range [][]string{nil, {"AUTH=keys"}, {"AUTH=jwt", "JWT_SECRET=" + jwtSecret}} {
		t.Run(strings.Join(env, " "), func(t *testing.T) {
			dir := checkout(t)
			p := startIn(t, dir, env, "bin/standalone")
			p.until(t, "/readyz", 200, `"status":"ready"`)
			commands := commandsOf(t, p)
			done := func(out string) bool { return !strings.HasPrefix(out, "exit") && strings.Count(out, "device-1") >= 4 }
			out := ""
			// A new key takes effect within a second, and an entry may take a moment to be stored.
			for deadline := time.Now().Add(30 * time.Second); !done(out) && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
				out = paste(t, dir, commands)
			}
			if !done(out) {
				t.Errorf("got %s, want the entry through four APIs; the commands are\n%s", out, commands)
			}
		})
	}
}

// The page of a query service whose dependencies are unavailable says so, in words, and reloads. It answers under any name, as health
// checks do.
func TestHomePageWaits(t *testing.T) {
	broker := freeAddr(t)
	p := start(t, []string{"KAFKA_BROKERS=" + broker, "CLICKHOUSE_DSN=http://default:hunter2@" + freeAddr(t) + "/default", "AUTH=keys"}, "query")
	req := mustRequest(t, http.MethodGet, "http://"+p.addr+"/start", "")
	req.Host = "logs.example.com"
	text := ""
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(text, "connection refused") && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		_, text, _ = p.do(req)
	}
	for _, want := range []string{"<strong>Waiting</strong>", `http-equiv="refresh"`, broker + ": connection refused", "http://127.0.0.1:8081/api/v1/activity_log", "http://logs.example.com/actionlogs.json"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s:\n%s", want, text)
		}
	}
	for _, never := range []string{"hunter2", "***", "(*Client)", "<strong>Ready"} {
		if strings.Contains(text, never) {
			t.Errorf("has %s:\n%s", never, text)
		}
	}
	for method, want := range map[string]int{http.MethodHead: 200, http.MethodPost: 405, http.MethodDelete: 405} {
		if status, body := p.ask(method, "/start", ""); status != want {
			t.Errorf("%s /start: got %d %s, want %d", method, status, body, want)
		}
	}
}
