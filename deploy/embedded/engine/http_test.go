package engine

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAuthentication(t *testing.T) {
	c := start(t)
	tests := []struct {
		name   string
		set    func(*http.Request)
		status int
		code   string
	}{
		{"none", func(*http.Request) {}, 401, "194"},
		{"basic", func(r *http.Request) { r.SetBasicAuth("default", password) }, 200, ""},
		{"wrong password", func(r *http.Request) { r.SetBasicAuth("default", "x") }, 403, "516"},
		{"empty password", func(r *http.Request) { r.SetBasicAuth("default", "") }, 403, "516"},
		{"wrong user", func(r *http.Request) { r.SetBasicAuth("root", password) }, 403, "516"},
		{"headers", func(r *http.Request) {
			r.Header.Set("X-ClickHouse-User", "default")
			r.Header.Set("X-ClickHouse-Key", password)
		}, 200, ""},
		{"headers win", func(r *http.Request) {
			r.SetBasicAuth("default", password)
			r.Header.Set("X-ClickHouse-User", "default")
		}, 403, "516"},
		{"parameters", func(r *http.Request) {
			r.URL.RawQuery += "&" + url.Values{"user": {"default"}, "password": {password}}.Encode()
		}, 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+c.addr+"/?query=SELECT+1", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			tt.set(req)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			if got := res.Header.Get("X-ClickHouse-Exception-Code"); res.StatusCode != tt.status || got != tt.code {
				t.Errorf("got %d and code %q, want %d and %q", res.StatusCode, got, tt.status, tt.code)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	tests := []struct {
		text   string
		status int
		code   string
		part   string
	}{
		{"SELECT * FROM nowhere", 404, "60", "(UNKNOWN_TABLE)"},
		{"SELECT nothing", 404, "47", "(UNKNOWN_IDENTIFIER)"},
		{"SELECT noFunction(1)", 404, "46", "(UNKNOWN_FUNCTION)"},
		{"SELEC 1", 400, "62", "begins no statement"},
		{"SELECT 1 +", 400, "62", "(SYNTAX_ERROR)"},
		{"SELECT 'a", 400, "62", "quote without end"},
		{" ", 400, "62", "Empty query"},
		{"SELECT 1; SELECT 2", 403, "497", "more than one statement"},
		{"SELECT throwIf(1)", 500, "395", "(FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)"},
		{"SELECT {p:String}", 400, "456", "(UNKNOWN_QUERY_PARAMETER)"},
		{"SELECT 1 FORMAT Nope", 404, "73", "(UNKNOWN_FORMAT)"},
		{"SELECT 1 SETTINGS nope = 1", 404, "115", "(UNKNOWN_SETTING)"},
		{"SELECT 1 SETTINGS max_nope = 1", 404, "115", "(UNKNOWN_SETTING)"},
		{"SELECT 1 SETTINGS log_comment = 'x'", 403, "497", "log_comment"},
		{"INSERT INTO nowhere FORMAT CSV 1", 404, "60", "(UNKNOWN_TABLE)"},
		// The second protection behind the statement check: the engine's user has no grant for these.
		{"SELECT * FROM `/etc/passwd`", 404, "60", "(UNKNOWN_TABLE)"},
		{"SELECT * FROM '/etc/passwd'", 404, "60", "(UNKNOWN_TABLE)"},
		{"SELECT * FROM default.`/etc/passwd`", 403, "497", "READ ON FILE"},
		{"CREATE TABLE x ENGINE = MergeTree ORDER BY c1 AS SELECT * FROM `/etc/passwd`", 404, "60", "(UNKNOWN_TABLE)"},
		{"SELECT * FROM fileCluster('c', '/etc/passwd')", 403, "497", "not allowed"},
	}
	c := start(t)
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got := c.do(http.MethodPost, tt.text, nil)
			if code := got.header.Get("X-ClickHouse-Exception-Code"); got.status != tt.status || code != tt.code || !strings.Contains(got.body, tt.part) {
				t.Errorf("got %d, code %q, %s\nwant %d, code %q, …%s…", got.status, code, got.body, tt.status, tt.code, tt.part)
			}
			if !strings.HasPrefix(got.body, "Code: "+tt.code+". DB::Exception: ") {
				t.Errorf("got %s, want ClickHouse's form", got.body)
			}
		})
	}
	c.query("SELECT 1", "1")
}

func TestParameters(t *testing.T) {
	c := start(t)
	c.query("SELECT {a:String}, {b:UInt8} + 1, {c:Array(String)}", `it\'s`+"\t4\t['x','y\\'z']", "param_a", `it's`, "param_b", "3", "param_c", `['x','y\'z']`)
	c.query("SELECT {a:String}", `\'; DROP TABLE t; --`, "param_a", "'; DROP TABLE t; --")
	c.query("SELECT count() FROM system.{t:Identifier}", "1", "param_t", "one")
	// ClickHouse reads escaped values.
	c.query("SELECT length({a:String})", "3", "param_a", `a\tb`)
	// The next query does not see it, on any connection.
	for range 10 {
		if got := c.do(http.MethodPost, "SELECT {a:String}", nil); got.status != http.StatusBadRequest {
			t.Fatalf("got %d %s, want 400", got.status, got.body)
		}
	}
	if got := c.do(http.MethodPost, "SELECT 1", nil, "param_a b", "x"); got.status != http.StatusNotFound {
		t.Errorf("got %d %s, want 404", got.status, got.body)
	}
	c.want(http.StatusOK, "CREATE TABLE t (id UInt64, s String) ENGINE = Memory", nil)
	c.want(http.StatusOK, "INSERT INTO t SELECT 1, {s:String}", nil, "param_s", "x")
	c.query("SELECT s FROM t WHERE s = {s:String}", "x", "param_s", "x")
}

func TestSettingsDoNotLeak(t *testing.T) {
	c := start(t)
	c.query("SELECT getSetting('max_threads')", "7", "max_threads", "7")
	c.query("SELECT getSetting('max_threads') SETTINGS max_threads = 3", "3")
	for range 10 {
		if got := c.want(http.StatusOK, "SELECT getSetting('max_threads')", nil); got == "7" || got == "3" {
			t.Fatalf("max_threads is still %s", got)
		}
	}
	if got := c.do(http.MethodPost, "SELECT 1", nil, "max_threads", "' ; DROP"); got.status != http.StatusBadRequest {
		t.Errorf("got %d %s, want 400", got.status, got.body)
	}
	for _, name := range []string{"role", "Max_Threads", "a b", "x=1,y"} {
		if got := c.do(http.MethodPost, "SELECT 1", nil, name, "1"); got.status < 400 {
			t.Errorf("parameter %q: got %d %s, want it refused", name, got.status, got.body)
		}
	}
	c.query("SELECT currentDatabase()", c.database)
	c.query("SELECT currentDatabase()", "system", "database", "system")
	if got := c.do(http.MethodPost, "SELECT 1", nil, "database", "no`where"); got.status != http.StatusNotFound {
		t.Errorf("got %d %s, want 404", got.status, got.body)
	}
	c.query("SELECT currentDatabase()", c.database)
}

// TestTheStatementsSettingsCount sends settings in the URL that the statement sets, too. ClickHouse applies its clause last.
func TestTheStatementsSettingsCount(t *testing.T) {
	c := start(t)
	const own = "SELECT getSetting('max_threads'), getSetting('max_block_size')"
	c.query(own+" SETTINGS max_threads = 3", "3\t1000", "max_threads", "7", "max_block_size", "1000")
	c.query(own+" FORMAT TSV SETTINGS max_threads = 3, max_block_size = 500", "3\t500", "max_threads", "7", "max_block_size", "1000")
	c.query(own+" SETTINGS max_threads = 3 FORMAT CSV", "3,1000", "max_threads", "7", "max_block_size", "1000", "default_format", "JSON")
	c.query("SELECT getSetting('max_threads'), t FROM (SELECT 1 AS t SETTINGS max_threads = 3)", "7\t1", "max_threads", "7")
	c.query("SELECT getSetting('max_threads') SETTINGS max_threads = 3", "3", "max_threads", "7", "readonly", "2")
	c.query("SELECT n FROM (SELECT number AS n FROM numbers(5)) SETTINGS limit = 1", "0", "limit", "3")
	c.want(http.StatusOK, "CREATE TABLE t (id UInt64) ENGINE = Memory", nil)
	const skip = "INSERT INTO t (id) SETTINGS input_format_allow_errors_num = 1 FORMAT CSV\n"
	c.want(http.StatusOK, skip+"1\nx\n3\n", nil, "input_format_allow_errors_num", "0")
	c.query("SELECT groupArray(id) FROM t", "[1,3]")
}

func TestReadOnly(t *testing.T) {
	c := start(t)
	c.want(http.StatusOK, table, nil)
	c.want(http.StatusOK, "INSERT INTO t (id) VALUES", []byte("(1), (2)"))
	c.query("SELECT count() FROM t WHERE id > {id:UInt64} SETTINGS use_statistics = 0", "1", "readonly", "1", "param_id", "1", "max_execution_time", "5")
	for _, text := range []string{
		"DROP TABLE t", "INSERT INTO t (id) VALUES (3)", "INSERT INTO t SELECT 1", "CREATE TABLE u (a UInt8) ENGINE = Memory",
		"DELETE FROM t WHERE 1", "ALTER TABLE t DELETE WHERE 1", "TRUNCATE TABLE t", "SYSTEM STOP MERGES", "KILL QUERY WHERE 1",
		"SELECT 1 SETTINGS readonly = 0",
	} {
		if got := c.do(http.MethodPost, text, nil, "readonly", "1"); got.status != http.StatusForbidden {
			t.Errorf("%s: got %d %s, want 403", text, got.status, got.body)
		}
		if got := c.do(http.MethodGet, text, nil); got.status != http.StatusForbidden {
			t.Errorf("GET %s: got %d %s, want 403", text, got.status, got.body)
		}
	}
	if got := c.do(http.MethodGet, "SELECT count() FROM t", nil); got.status != http.StatusOK || got.body != "2\n" {
		t.Errorf("got %d %q, want 200 and 2", got.status, got.body)
	}
}

func TestFormats(t *testing.T) {
	const text = "SELECT number AS n, toString(number) AS s FROM numbers(3)"
	c := start(t)
	c.query(text, "0\t0\n1\t1\n2\t2")
	c.query(text, "{\"n\":0,\"s\":\"0\"}\n{\"n\":1,\"s\":\"1\"}\n{\"n\":2,\"s\":\"2\"}", "default_format", "JSONEachRow", "output_format_json_quote_64bit_integers", "0")
	c.query(text+" FORMAT CSVWithNames", "\"n\",\"s\"\n0,\"0\"\n1,\"1\"\n2,\"2\"", "default_format", "JSON")
	got := c.do(http.MethodPost, text+" FORMAT JSON", nil)
	if ct := got.header.Get("Content-Type"); ct != "application/json; charset=UTF-8" || !strings.Contains(got.body, `"rows": 3`) {
		t.Errorf("got %s %s, want a JSON document", ct, got.body)
	}
	if got := c.do(http.MethodPost, "SELECT number FROM numbers(0)", nil); got.status != http.StatusOK || got.body != "" {
		t.Errorf("no rows: got %d %q, want 200 and nothing", got.status, got.body)
	}
}

func TestDocuments(t *testing.T) {
	const text = "SELECT number AS n, toString(number) AS s FROM numbers(300000)"
	c := start(t)
	for _, format := range []string{"CSVWithNames", "TabSeparatedWithNamesAndTypes", "JSON", "Parquet", "Values", "Native", "JSONEachRow"} {
		t.Run(format, func(t *testing.T) {
			got := c.want(http.StatusOK, text+" SETTINGS max_block_size = 10000", nil, "default_format", format)
			want := c.want(http.StatusOK, text, nil, "default_format", format, "max_block_size", "1000000", "preferred_block_size_bytes", "0")
			c.want(http.StatusOK, "CREATE TABLE t"+format+" (n UInt64, s String) ENGINE = Memory", nil)
			if format == "JSON" {
				if strings.Count(got, `"meta"`) != 1 || strings.Count(want, `"meta"`) != 1 {
					t.Error("got more than one document")
				}
				return
			}
			for _, document := range []string{got, want} {
				c.want(http.StatusOK, "INSERT INTO t"+format+" FORMAT "+format, []byte(document))
			}
			c.query("SELECT count(), uniqExact(n), sum(n = toUInt64(s)) FROM t"+format, "600000\t300000\t600000")
		})
	}
	if got := c.do(http.MethodPost, "SELECT throwIf(1) FROM numbers(1) FORMAT Parquet", nil); got.status != http.StatusInternalServerError {
		t.Errorf("got %d %s, want 500", got.status, got.body)
	}
	c.query("SELECT n, s FROM (SELECT 1 AS n, 2 AS s) FORMAT CSVWithNames SETTINGS max_threads = 1", "\"n\",\"s\"\n1,2")
}

func TestErrorInTheMiddle(t *testing.T) {
	c := start(t)
	got := c.do(http.MethodPost, "SELECT throwIf(number = 500000) FROM numbers(10000000) SETTINGS max_threads = 1, max_block_size = 1000", nil)
	if got.status != http.StatusOK {
		t.Fatalf("got %d, want 200, for the rows before the error were sent", got.status)
	}
	if !got.broken {
		t.Error("the body ends as if it were whole")
	}
	tag := got.header.Get("X-ClickHouse-Exception-Tag")
	if end := got.body[max(0, len(got.body)-2000):]; len(tag) != 16 || !strings.Contains(end, "\r\n__exception__\r\n"+tag+"\r\nCode: 395. DB::Exception") {
		t.Errorf("tag %q, body ends with %q, want the exception in it", tag, end)
	}
	c.query("SELECT 1", "1")
}

func TestQueueIsBounded(t *testing.T) {
	c := start(t)
	c.want(http.StatusOK, table, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	slow := url.Values{"query": {"SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"}}
	for range shared.engine.conf.Connections {
		wg.Go(func() { c.send(ctx, http.MethodPost, slow, nil, nil) })
	}
	waitFor(t, "the slow queries to run", func() bool {
		return len(shared.engine.pool.heavy.free) == 0
	})
	begin := time.Now()
	got := c.do(http.MethodPost, "SELECT count() FROM t", nil)
	if got.status != http.StatusServiceUnavailable || got.header.Get("X-ClickHouse-Exception-Code") != "202" || got.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s, want 503 with code 202 and Retry-After", got.status, got.body)
	}
	if d := time.Since(begin); d > 2*time.Second {
		t.Errorf("refused after %v, want the queue's deadline", d)
	}
	// Neither inserts nor small reads wait for them.
	c.want(http.StatusOK, "INSERT INTO t (id, text) FORMAT Native", native(t, 0, 10))
	c.query("SELECT 1", "1")
}

func TestCancel(t *testing.T) {
	c := start(t)
	const running = "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(number) = 2%' AND query NOT LIKE '%processes%'"
	for _, text := range []string{
		"SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 2",
		"SELECT number FROM numbers(1000000000000) WHERE sipHash64(number) = 2 OR number % 100 = 0",
		"SELECT number FROM numbers(1000000000000) WHERE sipHash64(number) = 2 OR number % 100 = 0 FORMAT CSVWithNames",
		"SELECT number FROM numbers(1000000000000) WHERE sipHash64(number) = 2 FORMAT Parquet",
	} {
		gone := func() time.Duration {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				c.send(ctx, http.MethodPost, url.Values{"query": {text}}, nil, nil)
			}()
			waitFor(t, "the query to run", func() bool { return c.want(http.StatusOK, running, nil) == "1" })
			cancel()
			begin := time.Now()
			<-ended
			waitFor(t, "the query to end", func() bool { return c.want(http.StatusOK, running, nil) == "0" })
			return time.Since(begin)
		}
		best := min(gone(), gone(), gone())
		t.Logf("gone after %v", best)
		if best > 200*time.Millisecond {
			t.Errorf("%s: gone after %v at best, want 200 ms", text, best)
		}
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-again.C:
		}
	}
}
