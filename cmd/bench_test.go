package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBench measures a little with services that are started one by one, so that the bench still runs when it is needed. It holds no
// figure to anything.
func TestBench(t *testing.T) {
	t.Parallel()
	report := filepath.Join(t.TempDir(), "report.md")
	out, code := run(t, nil, "loadgen", "bench", "--parts", "stages", "--burst", "5000", "--rounds", "1", "--time", "1s", "--out", report)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, figure := range []string{"| collector alone, NDJSON × 1000, fsync |", "| consumers alone, two processes, CPU per entry |"} {
		if !strings.Contains(string(text), figure) {
			t.Errorf("the report lacks %s", figure)
		}
	}
}
