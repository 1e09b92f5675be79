package cmd_test

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// servicesOf are the settings that standalone has written for other commands.
func servicesOf(t *testing.T, data string) map[string]string {
	t.Helper()
	file, err := os.Open(filepath.Join(data, "services.env"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok {
			all[name] = value
		}
	}
	return all
}

// hostOf is the address in CLICKHOUSE_DSN.
func hostOf(services map[string]string) string {
	return strings.TrimSuffix(strings.TrimPrefix(services["CLICKHOUSE_DSN"], "http://default@"), "/default")
}

// ofReaders is what people read in the tests below: three entries, one of which has been erased.
func ofReaders(t *testing.T) (p *process, services map[string]string) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	p = start(t, []string{"DATA_DIR=" + data}, "standalone")
	p.until(t, "/readyz", 200, `"status":"ready"`)
	const one = `{"action":"post","platform":"web","userId":"u1","username":"it's","targetType":"THING","targetId":"t1","ipAddress":"192.0.2.7"}`
	status, body, header := p.do(mustRequest(t, "POST", "http://"+p.addr+"/api/v1/activity-logs/batch",
		"["+one+`,{"action":"like","platform":"web","userId":"u2"},{"action":"gone","platform":"ios","userId":"u3"}]`))
	if status != 200 {
		t.Fatalf("write: got %d %s", status, body)
	}
	p.until(t, entries+"/count?position="+header.Get("X-Activity-Position"), 200, `"count":3}`)
	if status, body := p.ask("DELETE", "/api/v1/activity-logs?action=gone", ""); status != 200 || !strings.Contains(body, `"deletedCount":1`) {
		t.Fatalf("erase: got %d %s", status, body)
	}
	p.until(t, "/api/v1/activity-logs/count?action=activity.erase", 200, `1`)
	return p, servicesOf(t, data)
}

// What analysts connect with, as the user reader that make run has made: it reads the views and nothing else.
func TestReadersOfTheTables(t *testing.T) {
	t.Parallel()
	p, services := ofReaders(t)
	password, host := services["READER_PASSWORD"], hostOf(services)
	sql := func(user, password, text string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, "http://"+host+"/", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(user, password)
		status, body, _ := p.do(req)
		return status, body
	}
	// The views count what the service counts; the third entry says who erased.
	for text, path := range map[string]string{
		"SELECT count() FROM entries":                                       "/api/v1/activity-logs/count",
		"SELECT sum(entries) FROM hourly":                                   "/api/v1/activity-logs/count",
		"SELECT sum(entries) FROM hourly WHERE action = 'gone'":             "/api/v1/activity-logs/count?action=gone",
		"SELECT sum(entries) FROM daily_by_account WHERE account = 'it''s'": "/api/v1/activity-logs/count?username=it%27s",
		"SELECT sum(entries) FROM ingest_lag WHERE platform = 'web'":        "/api/v1/activity-logs/count?platform=web",
	} {
		_, want := p.ask("GET", path, "")
		if status, got := sql("reader", password, text); status != 200 || !strings.Contains(want, `"count":`+strings.TrimSpace(got)+"}") {
			t.Errorf("%s: got %d %s, the service %s", text, status, got, want)
		}
	}
	for _, text := range []string{
		"SELECT * FROM secrets", "SELECT * FROM dead_letters", "SELECT * FROM folding", "SELECT * FROM logs", "SELECT * FROM erased", "SELECT by FROM erasures", "SELECT what FROM erasures",
		"SELECT by FROM retention", "SELECT owner FROM cleanups", "SELECT * FROM schema_migrations", "INSERT INTO activity (tenant) SELECT 'x'", "DROP VIEW entries", "TRUNCATE TABLE activity",
	} {
		if status, body := sql("reader", password, text); status != 403 {
			t.Errorf("%s: got %d %s, want 403", text, status, body)
		}
	}
	if status, _ := sql("reader", services["CLICKHOUSE_PASSWORD"], "SELECT 1"); status != 403 {
		t.Errorf("the password of the services: got %d, want 403", status)
	}
	env := []string{"CLICKHOUSE_DSN=" + services["CLICKHOUSE_DSN"], "CLICKHOUSE_PASSWORD=" + services["CLICKHOUSE_PASSWORD"]}
	if out, code := run(t, env, "activityctl", "reader", "create", "--tenant", "acme", "--run"); code == 0 || !strings.Contains(out, "READER_PASSWORD") {
		t.Errorf("reader create --run on the embedded engine: got %d %s, want a hint", code, out)
	}
	t.Run("clients", func(t *testing.T) { clientsOfReaders(t, host, password) })
}

func clientsOfReaders(t *testing.T, host, password string) {
	cache, err := filepath.Abs("../.cache/clients")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(cache, "made")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("the clients have not been fetched: make clients")
		}
		t.Skip("the clients have not been fetched: make clients")
	}
	for _, tt := range []struct {
		name    string
		command []string
		want    string
	}{
		{"clickhouse-connect", []string{filepath.Join(cache, "python/bin/python"), "testdata/reader.py", host}, `('platform', 'n') [('web', 2), ('', 1)]
['timestamp', 'action', 'account', 'target_ids', 'ip_address'] 3 {'activity.erase': 1, 'like': 1, 'post': 1}
['tenant', 'hour', 'platform', 'action', 'entries']
[('Number of visible entries, exactly',)]
[(['t1'], '192.0.2.7')]
insert refused
secrets refused
dead letters refused
who erased refused
drop refused
`},
		{"clickhouse-jdbc", []string{"java", "-cp", filepath.Join(cache, "java/*"), "testdata/Reader.java", "jdbc:clickhouse://" + host + "/default"}, `[activity, by_entity, by_kind, cleanups, cleanups_by_day, daily_by_account, daily_by_device, entries, erasures, erasures_by_day, hourly, ingest_lag, retention, retention_default, retention_now]
tenant LowCardinality(String): Tenant
hour DateTime('UTC'): Hour of the entries' timestamp, UTC
platform LowCardinality(String): Platform, such as android or web
action LowCardinality(String): What happened
entries UInt64: Number of visible entries, exactly
like u2
post it's
SELECT * FROM secrets: code 497
INSERT INTO retention_default (days) VALUES (1): code 164
DROP TABLE activity: code 164
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), tt.command[0], tt.command[1:]...)
			cmd.Env = append(os.Environ(), "READER_PASSWORD="+password)
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != tt.want {
				t.Errorf("got %v,\n%s\nwant\n%s", err, out, tt.want)
			}
		})
	}
}

// Without a setting the engine is at its usual port; where that is taken, at a free one, which services.env names.
func TestTheEnginesPort(t *testing.T) {
	const usual = "127.0.0.1:8123"
	taken, err := net.Listen("tcp", usual)
	if err == nil {
		defer taken.Close()
	}
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, []string{"ENGINE_ADDR=", "READER_PASSWORD=hunter2", "DATA_DIR=" + data}, "standalone")
	p.until(t, "/readyz", 200, `"status":"ready"`)
	services := servicesOf(t, data)
	host := hostOf(services)
	if host == usual || services["READER_PASSWORD"] != "hunter2" {
		t.Errorf("got %s and READER_PASSWORD=%s, although %s is taken", host, services["READER_PASSWORD"], usual)
	}
	p.said(t, regexp.MustCompile("ClickHouse at (http)://"+regexp.QuoteMeta(host)))
	if out, code := run(t, []string{"DATA_DIR=" + t.TempDir()}, "standalone", "--only=engine"); code == 0 || !strings.Contains(out, "ENGINE_ADDR: ") {
		t.Errorf("--only engine with its port taken: got %d %s, want an error that names ENGINE_ADDR", code, out)
	}
	if out, code := run(t, []string{"DATA_DIR=" + t.TempDir(), "READER_PASSWORD=x", "CLICKHOUSE_PASSWORD=x"}, "standalone", "--check"); code == 0 || !strings.Contains(out, "READER_PASSWORD: ") {
		t.Errorf("one password for both: got %d %s", code, out)
	}
}
