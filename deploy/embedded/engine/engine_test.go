package engine

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func childClient(t *testing.T, line string) *client {
	t.Helper()
	addr, ok := strings.CutPrefix(line, "address: ")
	if !ok {
		t.Fatalf("the child says %q, want its address", line)
	}
	return &client{t: t, addr: addr, database: "default"}
}

func TestFolderIsHeldByOneProcess(t *testing.T) {
	folder := t.TempDir()
	first, line := startChild(t, folder)
	c := childClient(t, line)
	_, line = startChild(t, folder)
	if want := fmt.Sprintf("%v: %s is held by process %d", ErrLocked, folder, first.Process.Pid); !strings.Contains(line, want) {
		t.Errorf("got %q, want %q", line, want)
	}
	c.query("SELECT 1", "1")
	for _, name := range []string{"engine.xml", "users.xml", "engine.lock"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", name, info, err)
		}
	}
}

func TestSecondEngineOfAProcess(t *testing.T) {
	start(t)
	_, err := Open(t.Context(), Config{Addr: "127.0.0.1:0", DataDir: shared.engine.conf.DataDir, Password: "x"})
	if !errors.Is(err, ErrLocked) {
		t.Errorf("the same folder: got %v, want %v", err, ErrLocked)
	}
	_, err = Open(t.Context(), Config{Addr: "127.0.0.1:0", DataDir: t.TempDir(), Password: "x"})
	if err == nil {
		t.Error("another folder: got an engine, want an error")
	}
	start(t).query("SELECT 1", "1")
}

func TestReopen(t *testing.T) {
	_, line := startChild(t, t.TempDir(), again+"="+t.TempDir())
	childClient(t, line).query("SELECT 1", "1")
}

func TestEndWaitsForInserts(t *testing.T) {
	folder := t.TempDir()
	cmd, line := startChild(t, folder)
	c := childClient(t, line)
	c.want(http.StatusOK, table, nil)
	answered := make(chan reply)
	go func() {
		answered <- c.do(http.MethodPost, "INSERT INTO t (id) SELECT number + sleepEachRow(0.1) FROM numbers(10) SETTINGS max_block_size = 1", nil)
	}()
	waitFor(t, "the insert to run", func() bool {
		return c.want(http.StatusOK, "SELECT count() FROM system.processes WHERE query LIKE 'INSERT%'", nil) == "1"
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if got := <-answered; got.status != http.StatusOK {
		t.Errorf("got %d %s, want the insert done", got.status, got.body)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the child ended with %v", err)
	}
	_, line = startChild(t, folder)
	childClient(t, line).query("SELECT count() FROM t", "10")
}

func TestKilledEngineLosesNoInsert(t *testing.T) {
	folder := t.TempDir()
	stored := 0
	for round := range 4 {
		begin := time.Now()
		cmd, line := startChild(t, folder)
		c := childClient(t, line)
		t.Logf("round %d: open after %v", round, time.Since(begin))
		c.want(http.StatusOK, strings.Replace(table, "TABLE t", "TABLE IF NOT EXISTS t", 1), nil)
		c.query("SELECT count(), uniqExact(id) FROM t", fmt.Sprintf("%d\t%d", stored, stored))
		// The last insert is sent again, as by a client that lost the answer.
		if stored > 0 {
			c.want(http.StatusOK, "INSERT INTO t (id, text) FORMAT Native", native(t, stored-100, 100), "insert_deduplication_token", fmt.Sprint(stored-100))
		}
		for range 20 {
			c.want(http.StatusOK, "INSERT INTO t (id, text) FORMAT Native", native(t, stored, 100), "insert_deduplication_token", fmt.Sprint(stored))
			stored += 100
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
	}
}

// TestFullDiskIsRefused checks that nothing is written to a disk with less free space than the reserve: an insert whose writes
// failed would be answered with success.
func TestFullDiskIsRefused(t *testing.T) {
	folder := t.TempDir()
	cmd, line := startChild(t, folder)
	c := childClient(t, line)
	c.want(http.StatusOK, table, nil)
	c.want(http.StatusOK, "INSERT INTO t (id, text) FORMAT Native", native(t, 0, 100))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()

	cmd, line = startChild(t, folder, fmt.Sprint(reserve, "=", int64(1)<<60))
	c = childClient(t, line)
	if got := c.do(http.MethodPost, "INSERT INTO t (id, text) FORMAT Native", native(t, 100, 100), "insert_deduplication_token", "x"); got.header.Get("X-ClickHouse-Exception-Code") != "243" {
		t.Errorf("an insert into a full disk: %d %s, want code 243", got.status, got.body)
	}
	if got := c.do(http.MethodPost, "ALTER TABLE t DELETE WHERE id = 1", nil); got.status != http.StatusInsufficientStorage {
		t.Errorf("a mutation on a full disk: %d %s, want 507", got.status, got.body)
	}
	c.query("SELECT count() FROM t", "100")
	_ = cmd.Process.Kill()
	_ = cmd.Wait()

	// A full disk leaves an empty mutation file, which must not prevent the engine from opening.
	tables, err := filepath.Glob(filepath.Join(folder, "clickhouse", "store", "*", "*"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("folders of tables: %v, %v", tables, err)
	}
	for _, dir := range tables {
		if _, err := os.Stat(filepath.Join(dir, "format_version.txt")); err == nil {
			if err := os.WriteFile(filepath.Join(dir, "mutation_9.txt"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, line = startChild(t, folder)
	c = childClient(t, line)
	c.want(http.StatusOK, "INSERT INTO t (id, text) FORMAT Native", native(t, 100, 100), "insert_deduplication_token", "x")
	c.query("SELECT count() FROM t", "200")
}

func TestInsertsTakeNothingFromStandardInput(t *testing.T) {
	c := start(t)
	c.want(http.StatusOK, table, nil)
	c.want(http.StatusOK, "INSERT INTO t (id, text) VALUES (1, 'from the statement')", nil)
	c.query("SELECT id, text FROM t", "1\tfrom the statement")
}

func TestReadyReportsAFullDisk(t *testing.T) {
	f := dataFolder{path: t.TempDir(), reserve: 1}
	if err := f.ready(); err != nil {
		t.Errorf("ready() = %v with a byte in reserve, want nil", err)
	}
	f.reserve = 1 << 60
	if err := f.ready(); err == nil {
		t.Error("ready() = nil with more in reserve than there is")
	}
}

func TestSettingsOfTheServer(t *testing.T) {
	_, line := startChild(t, t.TempDir(), "TZ=Asia/Tokyo")
	c := childClient(t, line)
	c.query("SELECT timezone(), toString(toDateTime(0))", "UTC\t1970-01-01 00:00:00")
	c.query("SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'", fmt.Sprint(2<<30))
	c.query("SELECT getSetting('max_memory_usage')", fmt.Sprint(1<<30))
	if got := c.do(http.MethodPost, "SELECT count() FROM (SELECT number FROM numbers(1000000000) GROUP BY number)", nil, "max_memory_usage", "100000000"); got.header.Get("X-ClickHouse-Exception-Code") != "241" {
		t.Errorf("got %d %s, want the memory limit's code 241", got.status, got.body)
	}
	c.query("SELECT 1", "1")
}

func TestDSN(t *testing.T) {
	c := start(t)
	options, err := clickhouse.ParseDSN(shared.engine.DSN(c.database))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var database string
	if err := conn.QueryRow(t.Context(), "SELECT currentDatabase()").Scan(&database); err != nil || database != c.database {
		t.Errorf("got database %q, %v, want %q", database, err, c.database)
	}
}

func TestPanicsStayRecoverable(t *testing.T) {
	c := start(t)
	for i := range 100 {
		c.query("SELECT 1", "1")
		if err := dereference(nil); err == nil {
			t.Fatalf("round %d: a nil dereference went unnoticed", i)
		}
	}
}

func dereference(p *int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("recovered: %v", r)
		}
	}()
	*p = 1
	return nil
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := Open(t.Context(), Config{}); err == nil || !strings.Contains(err.Error(), "data folder") || !strings.Contains(err.Error(), "password") {
		t.Errorf("got %v, want all that is missing", err)
	}
	t.Setenv("CHDB_LIB_PATH", filepath.Join(t.TempDir(), "none.so"))
	if _, err := LibPath(); !errors.Is(err, ErrLibrary) {
		t.Errorf("got %v, want %v", err, ErrLibrary)
	}
}
