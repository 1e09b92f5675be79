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

// commandsOf returns the commands on the page at /.
func commandsOf(t *testing.T, p *process) string {
	t.Helper()
	status, text := p.ask(http.MethodGet, "/", "")
	if status != http.StatusOK {
		t.Fatalf("GET /: got %d %s, want 200", status, text)
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
