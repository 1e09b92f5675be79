package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Machine says where, when and for which commit figures were measured.
type Machine struct {
	CPU    string    `json:"cpu"`
	Cores  int       `json:"cores"`
	Memory string    `json:"memory"`
	System string    `json:"system"`
	Go     string    `json:"go"`
	Commit string    `json:"commit"`
	Date   time.Time `json:"date"`
	Others float64   `json:"others"` // per cent of its cores that other processes used meanwhile
}

func thisMachine(ctx context.Context) Machine {
	return Machine{
		CPU: procValue("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Memory: procValue("/proc/meminfo", "MemTotal"),
		System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Commit: commit(ctx), Date: time.Now().UTC().Truncate(time.Second),
	}
}

// procValue returns the first value of a name; "unknown" without such a file.
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

// commit returns the commit of the working tree, and whether it has changes; outside of one, the commit of the binary.
func commit(ctx context.Context) string {
	if out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output(); err == nil {
		at := strings.TrimSpace(string(out))
		if exec.CommandContext(ctx, "git", "diff", "--quiet", "HEAD").Run() != nil {
			at += " with changes"
		}
		return at
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}

var titles = map[string]string{
	"limits":    "Limits of this machine",
	"burst":     "Ingest, a burst",
	"stages":    "Ingest, stage by stage",
	"singles":   "Single POSTs",
	"fresh":     "Freshness",
	"idle":      "At rest",
	"sustained": "Ingest, sustained",
	"queries":   "Queries over HTTP, on the table as ingest left it",
	"large":     "The same on a larger table",
	"processes": "Separate processes",
	"ratios":    "In proportion to the limits",
}

// Write writes r as Markdown.
func (r *Report) Write(w io.Writer) error {
	m := r.Machine
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten by `make bench`: commit %s, %s, %d × %s, %s, %s, %s.\n", m.Commit, m.Date.Format(time.DateOnly), m.Cores, m.CPU, m.Memory, m.System, m.Go)
	b.WriteString("Load generator and services share the machine. Unless said otherwise they run as `standalone`, with fsync.\n" +
		"Compare figures of one run only, not of different machines. What was measured in several rounds is given as its\n" +
		"median (least … greatest). A goal is what the project wants on two cores.\n")
	fmt.Fprintf(&b, "Other processes used %.0f %% of the cores meanwhile: above a few per cent every figure is worse than it could be.\n", m.Others)
	if r.Peer != "" {
		fmt.Fprintf(&b, "The peer is VictoriaLogs %s, given the same entries in the same run (streams by platform); it acknowledges from memory.\n", r.Peer)
	}
	for _, part := range order {
		r.writePart(&b, part)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// writePart writes the table of a part that has figures, with a column for the peer if it was measured.
func (r *Report) writePart(b *strings.Builder, part string) {
	var rows []*Figure
	peer := false
	for _, f := range r.Figures {
		if f.Part == part {
			rows = append(rows, f)
			peer = peer || len(f.Peer) > 0
		}
	}
	if len(rows) == 0 {
		return
	}
	column, rule := "", ""
	if peer {
		column, rule = " VictoriaLogs |", "---|"
	}
	fmt.Fprintf(b, "\n## %s\n\n| what | measured |%s goal | note |\n|---|---|%s---|---|\n", titles[part], column, rule)
	for _, f := range rows {
		if peer {
			column = " " + spread(f.Unit, f.Peer) + " |"
		}
		fmt.Fprintf(b, "| %s | %s |%s %s | %s |\n", f.What, spread(f.Unit, f.Values), column, f.Goal.text(f.Unit, median(f.Values)), f.Note)
	}
}
