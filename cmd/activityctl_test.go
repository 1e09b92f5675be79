package cmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Every command says what to try if the server that it needs is unavailable. It shows neither names of functions nor addresses with users
// and passwords.
func TestNothingIsRunning(t *testing.T) {
	broker, engine, query := freeAddr(t), freeAddr(t), freeAddr(t)
	env := []string{"KAFKA_BROKERS=" + broker, "CLICKHOUSE_DSN=http://default:hunter2@" + engine + "/default", "QUERY_URL=http://" + query}
	for command, says := range map[string]string{
		"migrate": engine, "dead": engine, "topics": broker, "adopt": broker, "key list": broker, "key create --tenant acme --role ADMIN": broker, "key revoke x": broker,
		"export": query, "tail": query,
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			out, code := run(t, env, "activityctl", strings.Fields(command)...)
			if code != 1 || !strings.Contains(out, says) || !strings.Contains(out, "running at") || !strings.Contains(out, "--env-file data/services.env") {
				t.Errorf("got exit %d and %s, want 1, %s and what to try", code, out, says)
			}
			for _, never := range []string{"hunter2", "***", "(*", "Get \"", "Post \"", "dial tcp"} {
				if strings.Contains(out, never) {
					t.Errorf("got %s, want no %q in it", out, never)
				}
			}
		})
	}
}

func TestActivityctlHelps(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{nil, 0, "--env-file data/services.env"},
		{[]string{"key"}, 0, "revoke"},
		{[]string{"--log-level=warn"}, 0, "migrate"},
		{[]string{"--check"}, 2, "expected one of"},
		{[]string{"key", "nonsense"}, 2, "nonsense"},
		{[]string{"nonsense"}, 2, "nonsense"},
		{[]string{"ids"}, 2, "<id>"},
		{[]string{"--url=http://127.0.0.1:1", "export"}, 2, "after the command"},
		{[]string{"export", "--json"}, 78, "--out"},
		{[]string{"export", "--json", "--out=-"}, 78, "--out"},
	} {
		if out, code := run(t, nil, "activityctl", tt.args...); code != tt.code || !strings.Contains(out, tt.says) {
			t.Errorf("%v: got exit %d and %s, want %d and %q", tt.args, code, out, tt.code, tt.says)
		}
	}
}

// Every command has --json, and prints nothing but JSON with it.
func TestActivityctlJSON(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, []string{"DATA_DIR=" + data, "AUTH=keys,jwt", "JWT_SECRET=" + jwtSecret}, "standalone")
	p.until(t, "/readyz", 200, `"status":"ready"`)
	ctl := func(args ...string) (string, int) {
		t.Helper()
		return run(t, nil, "activityctl", append([]string{"--env-file", filepath.Join(data, "services.env")}, args...)...)
	}
	out, _ := ctl("key", "create", "--tenant", "default", "--role", "ADMIN", "--json")
	var key struct{ ID, Key string }
	if err := json.Unmarshal([]byte(out), &key); err != nil {
		t.Fatalf("key create: %s: %v", out, err)
	}
	until := func(args ...string) string { // a new key takes effect within a second
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			out, code := ctl(args...)
			if code == 0 || time.Now().After(deadline) {
				return out
			}
		}
	}
	file := filepath.Join(t.TempDir(), "entries")
	until("export", "--token", key.Key)
	for _, tt := range []struct{ command, has string }{
		{"migrate --json", `"applied":[]`},
		{"topics --json", `"topics":["activity"`},
		{"adopt --json", `"adopted":false`},
		{"dead --json", ""},
		{"ids --json 7 act-8", `"act":"act-7"`},
		{"token --json --role ADMIN", `"token":"ey`},
		{"key list --json", `"status":"active"`},
		{"export --json --format=parquet --out=" + file + " --token=" + key.Key, `"format":"parquet","entries":0`},
		{"key revoke --json " + key.ID, `"status":"revoked"`},
	} {
		out, code := ctl(strings.Fields(tt.command)...)
		if code != 0 || !strings.Contains(out, tt.has) {
			t.Errorf("%s: got exit %d and %s, want %s", tt.command, code, out, tt.has)
		}
		for line := range strings.Lines(out) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: no JSON: %s", tt.command, line)
			}
		}
	}
	if out, code := ctl("export"); code != 1 || !strings.Contains(out, "QUERY_TOKEN") {
		t.Errorf("without a token: got exit %d and %s, want 1 and what to set", code, out)
	}
}

// A finished file is never overwritten, whatever it is.
func TestExportKeepsFiles(t *testing.T) {
	p := standalone(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "entries.csv")
	args := []string{"export", "--url=http://" + p.addr, "--format=csv", "--out=" + file}
	if out, code := run(t, nil, "activityctl", args...); code != 0 || !strings.Contains(out, "0 entries in "+file) {
		t.Fatalf("got exit %d and %s", code, out)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out, code := run(t, nil, "activityctl", args...); code != 1 || !strings.Contains(out, file+" exists") {
		t.Errorf("again: got exit %d and %s, want 1 and why", code, out)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), link); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{dir, link, "/dev/null"} {
		if out, code := run(t, nil, "activityctl", "export", "--url=http://"+p.addr, "--out="+other); code != 1 || !strings.Contains(out, other+" exists") {
			t.Errorf("%s: got exit %d and %s, want 1 and why", other, code, out)
		}
	}
	if got, err := os.ReadFile(file); string(got) != string(want) || err != nil {
		t.Errorf("got %s, %v, want the file unchanged", got, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
