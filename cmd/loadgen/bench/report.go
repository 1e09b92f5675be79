package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Machine is where and when figures were taken, and of which commit.
type Machine struct {
	CPU    string    `json:"cpu"`
	Cores  int       `json:"cores"`
	Memory string    `json:"memory"`
	System string    `json:"system"`
	Go     string    `json:"go"`
	Commit string    `json:"commit"`
	Date   time.Time `json:"date"`
}

func thisMachine(ctx context.Context) Machine {
	return Machine{
		CPU: procValue("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Memory: procValue("/proc/meminfo", "MemTotal"),
		System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Commit: commit(ctx), Date: time.Now().UTC().Truncate(time.Second),
	}
}

// procValue is the first value of that name; "unknown" where there is no such file.
func procValue(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// commit is what the working tree is at, with a mark when it holds changes.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

var titles = map[string]string{
	"limits":    "Limits of this machine",
	"burst":     "Ingest, a burst",
	"singles":   "Single POSTs",
	"fresh":     "Freshness",
	"idle":      "At rest",
	"sustained": "Ingest, sustained",
	"queries":   "Queries over HTTP, on the table as ingest left it",
	"processes": "Separate processes",
}

// Write writes r as Markdown.
func (r *Report) Write(w io.Writer) error {
	m := r.Machine
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten by `make bench`: commit %s, %s, %d × %s, %s, %s, %s.\n", m.Commit, m.Date.Format(time.DateOnly), m.Cores, m.CPU, m.Memory, m.System, m.Go)
	b.WriteString("Load generator and services share the machine. Unless said otherwise they run as `standalone`, with fsync.\n" +
		"Figures of different machines do not compare; those of one run do. A goal is what the project wants on two cores.\n")
	part := ""
	for _, f := range r.Figures {
		if f.Part != part {
			part = f.Part
			fmt.Fprintf(&b, "\n## %s\n\n| what | measured | goal | note |\n|---|---|---|---|\n", titles[part])
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.What, f.Value, f.Goal, f.Note)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
