package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/cmd/loadgen/chaos/matrix"
	"github.com/activitylog/activitylog/cmd/loadgen/stats"
)

// A table fits the terminal; elsewhere it is Markdown, with every column.
func TestTables(t *testing.T) {
	rep := &chaos.Report{Seed: 7, Faults: 12, Counts: map[string]int{"slowest start of consumer, ms": 1234}, Violations: []string{"an entry is missing"}}
	rep.Entries.Acknowledged, rep.Entries.Lost = 123_456_789, 1
	rows := []*matrix.Result{
		{Row: 5, Fault: "standalone is killed again and again", Verdict: matrix.Broken, Report: rep, Reasons: []string{"one lost"}},
		{Row: 6, Fault: "the disk is full", Verdict: matrix.Held, Figures: []matrix.Figure{{What: "time to refuse", Value: "12 ms"}}},
	}
	for _, width := range []int{0, 50, 80, 200} {
		var b bytes.Buffer
		out := &output{to: term.Output{Writer: &b, Width: width}, progress: stats.NewProgress(os.Stderr)}
		printCampaign(out, []*chaos.Report{rep, {Seed: 8}})
		printMatrix(out, rows)
		text := b.String()
		for _, want := range []string{"BROKEN", "held", "1 violations", "seed 7: an entry is missing", "row 5: one lost", "lost"} {
			if !strings.Contains(text, want) {
				t.Errorf("width %d: want %q in\n%s", width, want, text)
			}
		}
		if width == 0 {
			if !strings.Contains(text, "| seed | faults | acknowledged |") || !strings.Contains(text, "| 7 | 12 | 123456789 | 0 | 1 |") || !strings.Contains(text, "time to refuse: 12 ms") {
				t.Errorf("got\n%s", text)
			}
			continue
		}
		for line := range strings.Lines(text) {
			if n := term.Columns(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%d of %d columns: %s", n, width, line)
			}
		}
	}
}
