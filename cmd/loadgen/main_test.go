package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestExitCodes(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(broken, []byte("not a journal\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"nonsense"}, 2},
		{[]string{"send", "--encoding", "br"}, 2},
		{[]string{"send", "--count", "-1"}, 2},
		{[]string{"verify", "/no/such/file"}, 2},
		{[]string{"verify", broken}, 1},
		{[]string{"send", "--url", "ftp://x", "--count", "1"}, 1},
		{[]string{"chaos", "--bin", t.TempDir()}, 1},
	} {
		if got := run(t.Context(), c.args); got != c.want {
			t.Errorf("loadgen %v exits with %d, want %d", c.args, got, c.want)
		}
	}
}
