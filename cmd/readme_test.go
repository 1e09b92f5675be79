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
	manual = "README.md" // of cmd
	names  = "internal/service/names.txt"
	begin  = "<!-- settings:begin -->\n"
	end    = "<!-- settings:end -->"
)

// commands are the binaries in the order of the table.
var commands = []string{"standalone", "collector", "consumer", "query", "activityctl"}

// row is a setting, with its default in each binary that has it.
type row struct {
	service.Setting
	defaults map[string]string
}

// settings asks every binary for its settings, and merges those that are the same.
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
	b.WriteString("| variable | flag | default | binary | meaning |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", strings.Join(r.Env, "`, `"), r.Flag, defaults(r), binaries(r), r.Help)
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

func binaries(r *row) string {
	if len(r.defaults) == len(commands) {
		return "all"
	}
	names := slices.DeleteFunc(slices.Clone(commands), func(name string) bool { _, ok := r.defaults[name]; return !ok })
	return strings.Join(names, ", ")
}

// The session in README.md works as pasted against a new process; an entry may take a moment to be listed. deploy runs it through
// the proxy.
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

// The settings table in cmd/README.md is what the binaries report. make docs writes it again.
func TestReadmeListsEverySetting(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("cmd/README.md lacks %s … %s", strings.TrimSpace(begin), end)
	}
	want := table(settings(t))
	if got == want {
		return
	}
	if !exchange.Update() {
		t.Fatalf("the settings table in cmd/README.md is not what the binaries report; update it with: make docs\n%s", want)
	}
	if err := os.WriteFile(manual, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// A file of settings may hold those of every binary; --check reports all other names. make docs writes the list again.
func TestNamesOfSettings(t *testing.T) {
	var all []string
	for _, r := range settings(t) {
		all = append(all, r.Env...)
	}
	slices.Sort(all)
	want := strings.Join(slices.Compact(all), "\n") + "\n"
	if exchange.Update() {
		if err := os.WriteFile(names, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(names); string(got) != want || err != nil {
		t.Fatalf("%s is not what the binaries report, %v; update it with: make docs\n%s", names, err, want)
	}
}
