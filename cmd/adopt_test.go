package cmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The folder of standalone's broker is lost: the tables stay, no entry is accepted, and the operator is told what to run.
func TestAdopt(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	env := []string{"DATA_DIR=" + data}
	post := func(p *process, want int) (id uint64) {
		t.Helper()
		status, body := p.ask("POST", entries, `{"action_type":"login","platform":"web","serial":"d"}`)
		var answer struct{ Data struct{ ID uint64 } }
		if err := json.Unmarshal([]byte(body), &answer); status != want || err != nil && want == 200 {
			t.Fatalf("POST: got %d %s, want %d", status, body, want)
		}
		return answer.Data.ID
	}
	p := start(t, env, "standalone")
	p.until(t, "/readyz", 200, `"status":"ready"`)
	var highest uint64
	for range 20 {
		highest = post(p, 200)
	}
	p.until(t, entries+"/count", 200, `"count":20`)
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("got exit %d, want 0", code)
	}
	if err := os.RemoveAll(filepath.Join(data, "broker")); err != nil {
		t.Fatal(err)
	}
	p = start(t, env, "standalone")
	p.until(t, "/readyz", 503, `"name":"consumer","ready":false,"reason":"log: the tables hold entries of log `)
	p.until(t, "/readyz", 503, `"name":"collector","ready":false,"reason":"log: the tables hold entries of log `)
	post(p, 503)
	ctl := func(args ...string) string {
		t.Helper()
		out, code := run(t, nil, "activityctl", append([]string{"--env-file", filepath.Join(data, "services.env"), "adopt"}, args...)...)
		if code != 0 {
			t.Fatalf("activityctl adopt %v: exit %d: %s", args, code, out)
		}
		return out
	}
	plan := ctl()
	for _, part := range []string{"tables' log", "Kafka's log", fmt.Sprint("highest id   ", highest), "HIGHEST OFFSET", "4294967296", "Nothing has been changed"} {
		if !strings.Contains(plan, part) {
			t.Errorf("the plan does not say %q:\n%s", part, plan)
		}
	}
	for line := range strings.SplitSeq(plan, "\n") {
		if len(line) > 80 {
			t.Errorf("a line of the plan has %d columns, want at most 80: %s", len(line), line)
		}
	}
	post(p, 503)
	var done struct {
		Adopted            bool
		Why                string
		HighestID, FirstID uint64
	}
	if out := ctl("--yes", "--json"); json.Unmarshal([]byte(out), &done) != nil || !done.Adopted || done.Why == "" || done.HighestID != highest {
		t.Errorf("got %s, want it to be done", out)
	}
	p.until(t, "/readyz", 200, `"status":"ready"`)
	if id := post(p, 200); id < done.FirstID || done.FirstID <= highest {
		t.Errorf("got the id %d, want one from %d on, above %d", id, done.FirstID, highest)
	}
	p.until(t, entries+"/count", 200, `"count":21`)
	if out := ctl("--yes"); !strings.Contains(out, "nothing to do") {
		t.Errorf("again: got %s, want nothing to do", out)
	}
}
