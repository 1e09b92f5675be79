package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What analysts connect with reads the right rows, writes, and sees the engine's errors as ClickHouse's.
func TestClientsOfOtherLanguages(t *testing.T) {
	cache, err := filepath.Abs("../../../.cache/clients")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(cache, "made")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("the clients have not been fetched: make clients")
		}
		t.Skip("the clients have not been fetched: make clients")
	}
	const want = "20000 199990000\n2 it's 2\n3 it's 3\ncode 62\n"
	for name, command := range map[string]func(c *client) []string{
		"clickhouse-connect": func(c *client) []string {
			return []string{filepath.Join(cache, "python/bin/python"), "testdata/clients/query.py", c.addr, c.database}
		},
		"clickhouse-jdbc": func(c *client) []string {
			return []string{"java", "-cp", filepath.Join(cache, "java/*"), "testdata/clients/Query.java", "jdbc:clickhouse://" + c.addr + "/" + c.database}
		},
	} {
		t.Run(name, func(t *testing.T) {
			args := command(start(t))
			cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
			cmd.Env = append(os.Environ(), "CLICKHOUSE_PASSWORD="+password)
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != want {
				t.Errorf("got %v, %s\nwant %s", err, out, want)
			}
		})
	}
}
