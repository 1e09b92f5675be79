package cmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/schema/api/exchange"
)

const (
	readme = "../README.md"
	begin  = "<!-- settings:begin -->\n"
	end    = "<!-- settings:end -->"
)

// commands in the order in which the table names them.
var commands = []string{"standalone", "collector", "consumer", "query", "activityctl"}

// row is a setting and who knows it, with which default.
type row struct {
	service.Setting
	defaults map[string]string
}

// settings asks every binary for its settings and joins those that are the same.
func settings(t *testing.T) []*row {
	t.Helper()
	var rows []*row
	for _, name := range commands {
		out, code := run(t, nil, name, "--settings")
		if code != 0 {
			t.Fatalf("%s --settings: exit %d: %s", name, code, out)
		}
		var all []service.Setting
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			t.Fatalf("%s --settings: %v", name, err)
		}
		for _, s := range all {
			i := slices.IndexFunc(rows, func(r *row) bool { return r.Flag == s.Flag && r.Help == s.Help })
			if i < 0 {
				i, rows = len(rows), append(rows, &row{s, map[string]string{}})
			}
			rows[i].defaults[name] = s.Default
		}
	}
	return rows
}

func table(rows []*row) string {
	var b strings.Builder
	b.WriteString("| variable | flag | default | of | |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", strings.Join(r.Env, "`, `"), r.Flag, defaults(r), knownBy(r), r.Help)
	}
	return b.String()
}

func defaults(r *row) string {
	var all []string
	for _, name := range commands {
		if v := r.defaults[name]; v != "" && !slices.Contains(all, "`"+v+"`") {
			all = append(all, "`"+v+"`")
		}
	}
	return strings.Join(all, ", ")
}

func knownBy(r *row) string {
	if len(r.defaults) == len(commands) {
		return "all"
	}
	names := slices.DeleteFunc(slices.Clone(commands), func(name string) bool { _, ok := r.defaults[name]; return !ok })
	return strings.Join(names, ", ")
}

// What README.md shows between its session markers works as pasted, against a new process; an entry may take a moment to be listed.
// deploy does the same through the proxy.
func TestReadmeSession(t *testing.T) {
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	_, session, _ := strings.Cut(string(text), "<!-- session:begin -->\n```console\n$ curl ")
	session, _, ok := strings.Cut(session, "\n```\n<!-- session:end -->")
	if !ok {
		t.Fatal("README.md has no session")
	}
	p := standalone(t)
	for step := range strings.SplitSeq(session, "\n$ curl ") {
		command, want, _ := strings.Cut(step, "\n")
		command = "curl -sS " + strings.ReplaceAll(command, "http://localhost:50809", "http://"+p.addr)
		got := ""
		for deadline := time.Now().Add(30 * time.Second); got != want && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			out, err := exec.CommandContext(t.Context(), "bash", "-c", command).CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v, %s", command, err, out)
			}
			if got = string(out); strings.Contains(command, "-X ") { // once
				break
			}
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", command, got, want)
		}
	}
}

// The table of settings in README.md is what the binaries say; go test ./cmd -run TestReadme -update writes it anew.
func TestReadmeListsEverySetting(t *testing.T) {
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("README.md lacks %s … %s", strings.TrimSpace(begin), end)
	}
	want := table(settings(t))
	if got == want {
		return
	}
	if !exchange.Update() {
		t.Fatalf("README.md's table of settings is not what the binaries say; write it anew with: go test ./cmd -run TestReadme -update\n%s", want)
	}
	if err := os.WriteFile(readme, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatalf("write: %v", err)
	}
}
