package engine

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// reader sends a statement as the user reader, in its database.
func (c *client) reader(method, text string, params ...string) reply {
	c.t.Helper()
	q := url.Values{"query": {text}, "database": {readable}}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	return c.send(c.t.Context(), method, q, nil, http.Header{"X-ClickHouse-User": {ReaderName}, "X-ClickHouse-Key": {readerPassword}})
}

// startReadable is start with what the reader may read, and what it may not: everything that contains "top-secret".
func startReadable(t *testing.T) *client {
	t.Helper()
	c := start(t)
	for _, text := range []string{
		"CREATE DATABASE " + readable,
		"CREATE TABLE readable.open (a UInt64 COMMENT 'a number', b String) ENGINE = MergeTree ORDER BY a COMMENT 'a table'",
		"INSERT INTO readable.open VALUES (1, 'x'), (2, 'y')",
		"CREATE TABLE readable.half (a UInt64, b String) ENGINE = MergeTree ORDER BY a",
		"INSERT INTO readable.half VALUES (1, 'top-secret')",
		"CREATE TABLE readable.secrets (name String, value String) ENGINE = MergeTree ORDER BY name",
		"INSERT INTO readable.secrets VALUES ('cursors', 'top-secret')",
		"CREATE VIEW readable.seen AS SELECT a, b FROM readable.open WHERE a > 1",
		"CREATE VIEW readable.leaky AS SELECT value FROM readable.secrets",
	} {
		c.want(http.StatusOK, text, nil, "database", "default")
	}
	t.Cleanup(func() { c.do(http.MethodPost, "DROP DATABASE "+readable, nil, "database", "default") })
	return c
}

// What tools ask for before they read: Grafana, DBeaver, Metabase and Superset list databases, tables and columns with their comments.
func TestReaderReads(t *testing.T) {
	c := startReadable(t)
	for text, want := range map[string]string{
		"SELECT a, b FROM open ORDER BY a": "1\tx\n2\ty\n",
		"SELECT a FROM half":               "1\n",
		"SELECT * FROM seen":               "2\ty\n",
		"WITH c AS (SELECT max(a) AS m FROM readable.open) SELECT m + 1 FROM c": "3\n",
		"SELECT sum(show) FROM (SELECT a AS show FROM open)":                    "3\n",
		"SHOW TABLES":                                     "half\nleaky\nopen\nseen\n",
		"SHOW TABLES FROM readable LIKE 'o%'":             "open\n",
		"SELECT name FROM system.databases ORDER BY name": "INFORMATION_SCHEMA\ninformation_schema\nreadable\n",
		"SELECT name, comment FROM system.tables WHERE database = 'readable' AND name = 'open'":       "open\ta table\n",
		"SELECT name, type, comment FROM system.columns WHERE table = 'open'":                         "a\tUInt64\ta number\nb\tString\t\n",
		"SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'half'":       "a\n",
		"SELECT table_name FROM information_schema.tables WHERE table_schema = 'readable' ORDER BY 1": "half\nleaky\nopen\nseen\n",
		"SELECT column_name FROM information_schema.columns WHERE table_name = 'open' ORDER BY 1":     "a\nb\n",
		"DESCRIBE TABLE open":                                             "a\tUInt64\t\t\ta number\t\t\nb\tString\t\t\t\t\t\n",
		"EXISTS TABLE readable.open":                                      "1\n",
		"SELECT sum(number) FROM numbers(4)":                              "6\n",
		"SELECT getSetting('readonly'), getSetting('max_execution_time')": "2\t60\n",
		"SELECT count() > 100 FROM system.functions":                      "1\n",
		"SET join_use_nulls = 1":                                          "",
		"USE readable":                                                    "",
		"SELECT 1 SETTINGS join_use_nulls = 1":                            "1\n",
		"EXPLAIN SELECT a FROM open":                                      "*",
		"SHOW FULL TABLES":                                                "*", "SHOW DATABASES": "*", "SHOW SETTINGS LIKE 'max_threads'": "*", "SHOW COLUMNS FROM open": "*",
		"SHOW CREATE TABLE open":                      "*",
		"SELECT timezone(), version(), currentUser()": "*",
		"SELECT name, value, changed, description, min, max, readonly, type FROM system.settings LIMIT 1": "*",
	} {
		if got := c.reader(http.MethodPost, text); got.status != http.StatusOK || want != "*" && got.body != want {
			t.Errorf("%s: got %d %q, want %q", text, got.status, got.body, want)
		}
	}
	for name, want := range map[string]string{"max_execution_time": "5", "max_result_rows": "7", "max_threads": "1"} {
		if got := c.reader(http.MethodPost, "SELECT getSetting('"+name+"')", name, want); got.body != want+"\n" {
			t.Errorf("%s lowered: got %s, want %s", name, got.body, want)
		}
	}
	for _, text := range []string{
		"SELECT count() FROM open SETTINGS additional_table_filters = {'readable.open' : ' a = \\'1\\' '}", "SELECT count() FROM open SETTINGS join_use_nulls = 1, additional_table_filters={'open':'a=1','x':'1'}, final = 0 FORMAT TSV",
	} { // as Grafana sends its ad hoc filters
		if got := c.reader(http.MethodPost, text); got.body != "1\n" {
			t.Errorf("%s: got %d %s, want 1", text, got.status, got.body)
		}
	}
	if got := c.reader(http.MethodPost, "SELECT count() FROM open", "additional_table_filters", `{'readable.open':'a = 1'}`); got.body != "1\n" {
		t.Errorf("with a filter: got %d %s, want 1", got.status, got.body)
	}
}

// Nothing leads a reader to what it was not granted, and nothing lets it write or lift its limits.
func TestReaderIsConfined(t *testing.T) {
	c := startReadable(t)
	for _, text := range []string{
		// secrets, by every way to a table
		"SELECT * FROM secrets", "SELECT * FROM readable.secrets", "SELECT * FROM `readable`.`secrets`", `SELECT * FROM "readable"."secrets"`,
		"SELECT/**/value/**/FROM/*x*/readable . secrets", "select value from readable.secrets -- open", "(SELECT value FROM secrets)",
		"SELECT * FROM open UNION ALL SELECT 1, value FROM secrets", "WITH open AS (SELECT * FROM secrets) SELECT * FROM open",
		"SELECT (SELECT any(value) FROM secrets)", "SELECT 1 WHERE 'top-secret' IN (SELECT value FROM secrets)", "SELECT a FROM open WHERE b IN secrets",
		"SELECT * FROM open JOIN secrets ON 1", "SELECT * FROM open, secrets", "SELECT * FROM open ARRAY JOIN (SELECT groupArray(value) FROM secrets) AS x",
		"SELECT * FROM leaky", "SELECT b FROM half", "SELECT * FROM half", "SELECT a FROM half WHERE b = 'top-secret'", "SELECT a FROM half ORDER BY b",
		"SELECT * FROM open EXCEPT SELECT 1, value FROM secrets", "SELECT * FROM (SELECT * FROM secrets) SETTINGS join_use_nulls = 1", "SELECT * FROM secrets FINAL",
		"SELECT * FROM secrets SAMPLE 1", "SELECT throwIf(1, value) FROM secrets", "SELECT count() FROM secrets",
		// table functions that read tables
		"SELECT * FROM merge('readable', '.*ecret.*')", "SELECT * FROM merge(readable, 'secrets')", "SELECT * FROM MERGE('readable', 'secrets')",
		"SELECT * FROM loop(readable.secrets) LIMIT 1", "SELECT * FROM loop('readable', 'secrets') LIMIT 1", "SELECT * FROM view(SELECT * FROM secrets)",
		"SELECT * FROM mergeTreeIndex('readable', 'secrets')",
		"SELECT * FROM mergeTreeProjection('readable', 'secrets', 'p')", "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT * FROM secrets))",
		"SELECT * FROM dictionary('readable.secrets')", "SELECT dictGet('readable.secrets', 'value', 'cursors')", "SELECT joinGet('readable.secrets', 'value', 'cursors')",
		"SELECT joinGet(readable.secrets, 'value', 'cursors')", "SELECT * FROM executable('cat', TSV, 'a String')", "SELECT * FROM fuzzQuery('SELECT * FROM secrets')",
		"SELECT * FROM timeSeriesData('readable', 'secrets')",
		// files and hosts, in any case
		"SELECT * FROM file('users.xml')", "SELECT FILE('users.xml')", "SELECT * FROM `file`('users.xml')", "SELECT * FROM uRl('http://127.0.0.1/')", "SELECT * FROM remote('127.0.0.1', readable.secrets)",
		"SELECT * FROM s3('http://127.0.0.1/x')", "SELECT * FROM cluster('default', readable.secrets)", "SELECT 1 INTO OUTFILE '/x'", "SELECT * FROM sqlite('x', 'y')",
		"SELECT * FROM 'users.xml'", "SELECT * FROM `users.xml`", "SELECT * FROM input('a String') FORMAT TSV",
		// what others do, and how the engine is set up
		"SELECT * FROM system.users", "SELECT * FROM system.roles", "SELECT * FROM system.grants", "SELECT * FROM system.query_log", "SELECT * FROM system.server_settings",
		"SELECT * FROM system.disks", "SELECT * FROM `system`.disks", "SELECT * FROM \"system\" . \"disks\"", "SELECT * FROM `sys\\x74em`.disks", "SELECT * FROM system.`di\\x73ks`", "SELECT * FROM merge('system', 'disks')",
		"SELECT * FROM `mer\\x67e`('system', 'disks')", "SELECT 1 WHERE 'x' IN system.disks", "SELECT * FROM system.processes", "SELECT * FROM system.errors", "DESCRIBE system.disks", "SELECT * FROM system.parts WHERE table = 'secrets' AND throwIf(1)", "SHOW USERS", "SHOW CREATE TABLE secrets",
		"SHOW PROCESSLIST", "show full processlist", "(SHOW PROCESSLIST)", "SHOW /* TABLES */ PROCESSLIST", "SHOW MERGES", "SHOW CLUSTERS", "SHOW CLUSTER 'default'", "SHOW FILESYSTEM CACHES",
		"SHOW GRANTS", "SHOW ACCESS", "SHOW ROLES", "SHOW SETTINGS PROFILES", "SHOW CREATE USER default",
		// conditions in a setting
		`SELECT count() FROM open SETTINGS additional_table_filters = {'open':'a IN (SELECT 1 FROM system.processes)'}`,
		`SELECT count() FROM open SETTINGS additional_table_filters = '{\'open\':\'a IN (SELECT 1 FROM system.processes)\'}'`,
		`SELECT count() FROM open SETTINGS additional_table_filters = {'x':'1'}, additional_table_filters = '{\'open\':\'a IN (SELECT 1 FROM system.processes)\'}'`,
		`SELECT count() FROM (SELECT * FROM open SETTINGS additional_table_filters = '{\'open\':\'length(file(\\\'users.xml\\\')) > 0\'}') SETTINGS additional_table_filters = {'x':'1'}`,
		`SELECT count() FROM open SETTINGS ADDITIONAL_TABLE_FILTERS = {'open':'a IN (SELECT 1 FROM system.processes)'}`, "DESCRIBE secrets", "EXPLAIN SELECT * FROM secrets",
		"EXPLAIN AST SELECT * FROM secrets INTO OUTFILE '/x'", "EXPLAIN ESTIMATE SELECT * FROM secrets", "EXPLAIN PIPELINE SELECT * FROM secrets",
		"CHECK TABLE secrets",
		// writes
		"INSERT INTO open VALUES (3, 'z')", "INSERT INTO open SELECT 3, 'z'", "INSERT INTO FUNCTION null('a UInt8') SELECT 1", "CREATE TABLE readable.x (a UInt8) ENGINE = Memory",
		"CREATE TEMPORARY TABLE x (a UInt8)", "CREATE VIEW readable.x AS SELECT * FROM secrets", "CREATE DATABASE x", "ALTER TABLE open DELETE WHERE 1", "DELETE FROM open WHERE 1",
		"UPDATE open SET b = '' WHERE 1", "DROP TABLE open", "TRUNCATE TABLE open", "OPTIMIZE TABLE open FINAL", "RENAME TABLE readable.open TO readable.x", "EXCHANGE TABLES open AND half",
		"KILL QUERY WHERE 1", "SYSTEM STOP MERGES", "SYSTEM FLUSH LOGS", "CREATE FUNCTION f AS x -> x", "ATTACH TABLE x", "DETACH TABLE open", "BACKUP TABLE open TO Disk('default', 'x')",
		"WITH x AS (SELECT 1) INSERT INTO open SELECT 3, 'z'", "EXPLAIN INSERT INTO open SELECT 3, value FROM secrets",
		// rights
		"SET ROLE services", "SET ROLE ALL", "SET ROLE DEFAULT", "SET DEFAULT ROLE services TO default", "EXECUTE AS default", "EXECUTE AS default SELECT 1", "GRANT services TO default",
		"GRANT SELECT ON *.* TO default", "REVOKE reader FROM default", "CREATE USER x", "ALTER USER default", "SELECT 1; SET ROLE ALL", "SET readonly = 0", "SET max_memory_usage = 0; SELECT 1",
		"SET TRANSACTION SNAPSHOT 1", "BEGIN TRANSACTION",
		// limits
		"SELECT 1 SETTINGS readonly = 0", "SELECT 1 SETTINGS readonly = 1", "SELECT 1 SETTINGS max_memory_usage = 0", "SELECT 1 SETTINGS MAX_MEMORY_USAGE = 0", "SELECT 1 SETTINGS `max_memory_usage` = 0",
		"SELECT * FROM (SELECT 1 SETTINGS max_execution_time = 0)", "SELECT 1 SETTINGS max_threads = 64", "SELECT 1 SETTINGS max_result_rows = 0", "SELECT 1 SETTINGS log_comment = 'x'", "SELECT 1 SETTINGS profile = 'default'",
		"SELECT number FROM numbers(10000001) FORMAT Null", "SELECT groupArray(number) FROM numbers(2000000000)",
	} {
		got := c.reader(http.MethodPost, text)
		if got.status < 400 && !got.broken || strings.Contains(got.body, "top-secret") {
			t.Errorf("%s: got %d %.200s, want it refused", text, got.status, got.body)
		}
	}
	for _, text := range []string{ // they succeed and show nothing, or only what is in the source code
		"SELECT * FROM viewIfPermitted(SELECT value FROM secrets ELSE null('value String'))", "EXPLAIN QUERY TREE SELECT * FROM secrets", "SHOW COLUMNS FROM secrets",
		"SHOW INDEX FROM secrets", "SHOW TABLES", "EXPLAIN SYNTAX SELECT * FROM secrets",
	} {
		if got := c.reader(http.MethodPost, text); strings.Contains(got.body, "top-secret") {
			t.Errorf("%s: got %d %s", text, got.status, got.body)
		}
	}
	for _, params := range [][]string{
		{"session_id", "one", "query", "SELECT * FROM secrets"},
		{"additional_table_filters", `{'readable.open':'b IN (SELECT value FROM readable.secrets)'}`},
		{"additional_table_filters", `{'open':'throwIf((SELECT any(value) FROM readable.secrets) != \'\')'}`},
		{"database", "system"},
		{"database", "System"},
		{"param_t", "system.disks", "query", "SELECT * FROM {t:Identifier}"},
		{"param_t", "system", "query", "SELECT * FROM {t:Identifier}.disks"},
		{"additional_table_filters", `{'open':'a IN (SELECT 1 FROM system.disks)'}`},
		{"query", `SELECT * FROM open SETTINGS additional_table_filters = {'open':'a IN (SELECT 1 FROM system.disks)'}`},
		{"query", `SELECT * FROM open SETTINGS additional_table_filters = {'open':'b = file(\'x\')'}`},
		{"query", `SELECT * FROM open SETTINGS additional_table_filters = '{}'`},
		{"query", `SELECT * FROM open SETTINGS additional_table_filters = {'open':'b IN (SELECT value FROM readable.secrets)'}`},
		{"role", "services"},
		{"profile", "default"},
		{"allow_ddl", "1"},
		{"param_t", "secrets", "query", "SELECT * FROM {t:Identifier}"},
		{"additional_result_filter", "(SELECT any(value) FROM readable.secrets) != ''"},
		{"query", "INSERT INTO open VALUES (3, 'z')", "readonly", "0"},
		{"query", "SELECT * FROM secrets", "user", "default"},
		{"query", "SELECT * FROM secrets", "password", password, "user", "default"},
	} {
		if got := c.reader(http.MethodPost, "SELECT * FROM open", params...); got.status < 400 || strings.Contains(got.body, "top-secret") {
			t.Errorf("%q: got %d %.200s, want it refused", params, got.status, got.body)
		}
	}
	for name, limit := range map[string]string{"max_memory_usage": "0", "max_execution_time": "0", "max_threads": "64", "max_result_rows": "1e12", "max_temporary_data_on_disk_size_for_query": "-1"} {
		want := c.reader(http.MethodPost, "SELECT getSetting('"+name+"')").body
		if got := c.reader(http.MethodPost, "SELECT getSetting('"+name+"')", name, limit).body; got != want || want == "0\n" {
			t.Errorf("%s raised: got %s, want %s", name, got, want)
		}
	}
	if got := c.want(http.StatusOK, "SELECT count() FROM readable.open", nil); got != "2" {
		t.Errorf("the table has %s rows now, want 2", got)
	}
	for range 2 { // the connections of the services have kept their rights, and those of readers got none
		c.want(http.StatusOK, "SELECT value FROM readable.secrets", nil)
		if got := c.reader(http.MethodPost, "SELECT value FROM readable.secrets"); got.status != http.StatusForbidden {
			t.Errorf("got %d %s, want 403", got.status, got.body)
		}
	}
}

// Each user has its own password.
func TestReaderAuthenticates(t *testing.T) {
	c := startReadable(t)
	for _, tt := range []struct {
		user, password, database string
		want                     int
	}{
		{ReaderName, readerPassword, readable, 200},
		{ReaderName, readerPassword, "default", 403},
		{"default", password, "default", 200},
		{ReaderName, password, readable, 403},
		{"default", readerPassword, readable, 403},
		{ReaderName, "", readable, 403},
		{"nobody", "", readable, 403},
		{"services", "", readable, 403},
	} {
		q := url.Values{"query": {"SELECT 1"}, "database": {tt.database}}
		if got := c.send(t.Context(), http.MethodPost, q, nil, http.Header{"X-ClickHouse-User": {tt.user}, "X-ClickHouse-Key": {tt.password}}); got.status != tt.want {
			t.Errorf("%s %s: got %d, want %d", tt.user, tt.password, got.status, tt.want)
		}
	}
}

// Heavy queries of readers wait for each other, and are refused in the end; those of the services do not wait.
func TestReadersDoNotStarveServices(t *testing.T) {
	c := startReadable(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	slow := url.Values{"query": {"SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"}, "database": {readable}}
	as := http.Header{"X-ClickHouse-User": {ReaderName}, "X-ClickHouse-Key": {readerPassword}}
	for range shared.engine.conf.Reader.Connections {
		wg.Go(func() { c.send(ctx, http.MethodPost, slow, nil, as) })
	}
	waitFor(t, "the slow queries to run", func() bool { return len(shared.engine.pool.reader.free) == 0 })
	c.query("SELECT count() FROM readable.open", "2")
	if got := c.reader(http.MethodPost, "SELECT 1"); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s, want 503 with Retry-After", got.status, got.body)
	}
	cancel()
	waitFor(t, "the slow queries to be killed", func() bool { return c.reader(http.MethodPost, "SELECT 1").status == http.StatusOK })
}

// Everything in the database system that a reader can read is about the engine or about the reader itself.
func TestSystemTablesOfReaders(t *testing.T) {
	c := startReadable(t)
	var got struct{ Data []map[string]string }
	if err := json.Unmarshal([]byte(c.want(http.StatusOK, "SELECT name FROM system.tables WHERE database = 'system' FORMAT JSON", nil)), &got); err != nil || len(got.Data) < 50 {
		t.Fatalf("got %d system tables, %v", len(got.Data), err)
	}
	open := map[string]bool{}
	for _, table := range got.Data {
		if answer := c.reader(http.MethodPost, "SELECT * FROM system.`"+table["name"]+"` LIMIT 100"); answer.status == http.StatusOK {
			open[table["name"]] = true
			if strings.Contains(answer.body, "top-secret") {
				t.Errorf("system.%s tells of secrets: %.300s", table["name"], answer.body)
			}
		}
	}
	for name := range open {
		if !slices.Contains(systemTables, name) {
			t.Errorf("system.%s can be read", name)
		}
	}
	for _, name := range []string{"databases", "tables", "columns", "functions", "settings"} {
		if !open[name] {
			t.Errorf("system.%s cannot be read", name)
		}
	}
}
