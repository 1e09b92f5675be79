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
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/plain"

	"github.com/activitylog/activitylog/cmd/loadgen/workload"
	"github.com/activitylog/activitylog/deploy/embedded/testbed"
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
	open, broker := standalone(t), freeAddr(t)
	locked := standalone(t, "AUTH=jwt", "JWT_SECRET="+jwtSecret, "BROKER_ADDR="+broker, "KAFKA_PASSWORD=hunter2")
	end := time.Now().UTC()
	token := func(tenant, role string, more ...any) string {
		claims := jwt.MapClaims{"tenant": tenant, "role": role}
		if len(more) > 0 {
			claims["scope"] = more[0]
		}
		return tokenOf(t, claims)
	}
	fill(t, open, end)
	wide(t, locked, token("wide", "ADMIN"))
	client := &kafka.Client{Addr: kafka.TCP(broker), Transport: &kafka.Transport{SASL: plain.Mechanism{Username: "activity", Password: "hunter2"}}}
	for i, days := range []int{5, 20, 40} {
		testbed.ProduceAged(t, client, "activity", "old", uint64(9_000_001+i), days)
	}
	cmd := exec.CommandContext(t.Context(), "npx", "vitest", "run", "--config", "e2e/vitest.config.ts")
	cmd.Dir = explorer
	cmd.Env = append(
		os.Environ(),
		"CHROMIUM="+chromium, "EXPLORER_URL=http://"+open.addr, "EXPLORER_END="+end.Format(time.RFC3339), "LOCKED_URL=http://"+locked.addr,
		"ADMIN_TOKEN="+token("acme", "ADMIN"), "ANALYST_TOKEN="+token("acme", "Analyst"), "TENANT_ADMIN_TOKEN="+token("acme", "TenantAdmin"),
		"ACCESS_ADMIN_TOKEN="+token("acme", "AccessAdmin"), "READER_TOKEN="+token("acme", "Reader"), "AUDITOR_TOKEN="+token("acme", "ADMIN", "read"),
		"EVERY_TOKEN="+token("*", "ADMIN"), "FRESH_TENANT=fresh", "EMPTY_TOKEN="+token("empty", "ADMIN"), "FRESH_TOKEN="+token("fresh", "ADMIN"),
		"WIDE_TOKEN="+token("wide", "Analyst"), "WIDE_WRITER="+token("wide", "ADMIN"), "OLD_TOKEN="+token("old", "ADMIN"),
	)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// wide sends entries with 50,000 different actions, 10,000 devices and as many actors.
func wide(t *testing.T, p *process, token string) {
	t.Helper()
	const entries, batch = 50_000, 10_000
	for from := 0; from < entries; from += batch {
		body := make([]string, batch)
		for i := range body {
			n := from + i
			body[i] = fmt.Sprintf(`{"action":"action-%d","serial":"SN-%d","username":"user-%d","platform":"p%d"}`, n, n%10_000, n%9_999, n%50)
		}
		if status, answer, _ := p.as(t, token, "POST", "/api/v1/activity-logs/batch", "["+strings.Join(body, ",")+"]"); status != 200 {
			t.Fatalf("batch from %d: got %d %.200s", from, status, answer)
		}
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
