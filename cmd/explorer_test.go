//go:build !race

// With the race detector these tests would show nothing more: the services are built without it.

package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

const explorer = "../query/ui"

// needs skips a test that a person runs without what it needs; CI has it.
func needs(t *testing.T, found bool, what string) {
	t.Helper()
	switch {
	case found:
	case os.Getenv("CI") != "":
		t.Fatalf("CI needs %s", what)
	default:
		t.Skipf("needs %s", what)
	}
}

// tools returns the path of Chromium, and fails or skips without it or without the explorer's packages.
func tools(t *testing.T) (chromium string) {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	needs(t, err == nil, "chromium (Debian package chromium)")
	_, err = os.Stat(filepath.Join(explorer, "node_modules"))
	needs(t, err == nil, "the packages of the explorer (make ui)")
	return chromium
}

// The explorer, in a browser, over a service with 200,000 entries and one that wants credentials.
func TestExplorer(t *testing.T) {
	chromium := tools(t)
	open := standalone(t)
	locked := standalone(t, "AUTH=jwt", "JWT_SECRET="+jwtSecret)
	end := time.Now().UTC()
	fill(t, open, end)
	token := func(tenant, role string) string {
		return tokenOf(t, jwt.MapClaims{"tenant": tenant, "role": role})
	}
	cmd := exec.CommandContext(t.Context(), "npx", "vitest", "run", "--config", "e2e/vitest.config.ts")
	cmd.Dir = explorer
	cmd.Env = append(
		os.Environ(),
		"CHROMIUM="+chromium, "EXPLORER_URL=http://"+open.addr, "EXPLORER_END="+end.Format(time.RFC3339), "LOCKED_URL=http://"+locked.addr,
		"ADMIN_TOKEN="+token("acme", "ADMIN"), "READER_TOKEN="+token("acme", "Reader"), "EVERY_TOKEN="+token("*", "ADMIN"), "FRESH_TENANT=fresh", "FRESH_TOKEN="+token("fresh", "ADMIN"),
	)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// fill sends 200,000 entries of the 30 days before end.
func fill(t *testing.T, p *process, end time.Time) {
	t.Helper()
	const entries, batch = 200_000, 4000
	source := workload.New(42, entries, end.UnixMilli())
	for from := 0; from < entries; from += batch {
		body := make([]string, batch)
		for i := range body {
			body[i] = string(source.Append(nil, from+i, ""))
		}
		if status, answer := p.ask("POST", "/api/v1/activity_log", "["+strings.Join(body, ",")+"]"); status != 200 {
			t.Fatalf("batch from %d: got %d %.200s", from, status, answer)
		}
	}
	p.until(t, "/api/v1/activity_log/count", 200, fmt.Sprintf(`"count":%d`, entries))
}

// dist must be the build of the source: whoever changes the source must run make ui.
func TestExplorerIsBuilt(t *testing.T) {
	tools(t)
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "npx", "vite", "build", "--outDir", out, "--emptyOutDir", "--logLevel", "error")
	cmd.Dir = explorer
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want, got := files(t, out), files(t, filepath.Join(explorer, "dist"))
	if !slices.Equal(want, got) {
		t.Fatalf("query/ui/dist has %v, the source gives %v: run make ui", got, want)
	}
	for _, name := range want {
		a, err1 := os.ReadFile(filepath.Join(out, name))
		b, err2 := os.ReadFile(filepath.Join(explorer, "dist", name))
		if err1 != nil || err2 != nil || string(a) != string(b) {
			t.Errorf("query/ui/dist/%s is not what the source gives: run make ui", name)
		}
	}
}

// The parts of the explorer that need no browser.
func TestExplorerUnits(t *testing.T) {
	tools(t)
	for _, args := range [][]string{{"tsc", "--noEmit"}, {"vitest", "run"}} {
		cmd := exec.CommandContext(t.Context(), "npx", args...)
		cmd.Dir = explorer
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
