package statement

import (
	"errors"
	"slices"
	"testing"
)

func TestKinds(t *testing.T) {
	tests := []struct {
		text string
		want Kind
	}{
		{"SELECT 1", Light},
		{"select count() from t", Read},
		{"SELECT a -- FROM nowhere\n, 'FROM'", Light},
		{"(SELECT a FROM t) UNION ALL (SELECT 2);", Read},
		{"WITH x AS (SELECT 1) SELECT * FROM x ; -- the end", Read},
		{"/* first */ DESCRIBE TABLE t", Light},
		{"EXPLAIN SELECT a FROM t", Light},
		{"INSERT INTO t FORMAT Native", Insert},
		{"INSERT INTO `a;b`.\"c;d\" (x, y) VALUES (1; 'not SQL' \x00\xff", Insert},
		{"INSERT INTO t SELECT * FROM s", Write},
		{"INSERT INTO t (a, b) WITH x AS (SELECT 1) SELECT 1, 2", Write},
		{"INSERT INTO t (SELECT 1)", Write},
		{"CREATE TABLE IF NOT EXISTS t (a String DEFAULT ';') ENGINE = MergeTree ORDER BY a", Write},
		{"CREATE OR REPLACE TABLE t (a UInt8) ENGINE AggregatingMergeTree() ORDER BY a", Write},
		{"CREATE MATERIALIZED VIEW v TO t AS SELECT 1", Write},
		{"CREATE DATABASE d", Write},
		{"DELETE FROM t WHERE a = 'x'';--'", Write},
		{"KILL QUERY WHERE query_id = 'x' ASYNC", Write},
		{"SYSTEM STOP MERGES", Write},
		{"SET max_threads = 1, join_use_nulls = 1;", Session},
		{"USE `other`", Session},
		{"# a remark\nALTER TABLE t APPLY PATCHES", Write},
	}
	for _, tt := range tests {
		got, err := Parse(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got.Kind != tt.want {
			t.Errorf("%s: got kind %d, want %d", tt.text, got.Kind, tt.want)
		}
	}
}

func TestRefused(t *testing.T) {
	forbidden := []string{
		"SELECT 1; SELECT 2", "SELECT 1;;", "SELECT 1; /* */ DROP TABLE t", "SELECT ';'; DROP TABLE t",
		"SELECT 1 -- ;\n; DROP TABLE t", "SELECT '\\'; DROP TABLE t; --'; DROP TABLE t", "INSERT INTO t SELECT 1; SELECT 2",
		"ATTACH TABLE t", "GRANT ALL ON *.* TO default", "EXECUTE AS x SELECT 1",
		"SELECT 1 INTO OUTFILE 'out.csv'", "select 1 into/**/outfile '/srv/x'", "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT TSV",
		"SELECT * FROM file('/etc/passwd')", "SELECT FILE ('/etc/passwd')", "SELECT `file`/**/('/etc/passwd')", `SELECT "file" ('x')`,
		"SELECT `fi\\x6ce`('x')", "SELECT * FROM url('http://x')", "INSERT INTO FUNCTION file('x') SELECT 1", "INSERT INTO TABLE FUNCTION null('x') SELECT 1",
		"CREATE TABLE t (a String) ENGINE = File(TSV, 'x')", "CREATE TABLE t (a String) ENGINE URL('x')", "CREATE TABLE t (a String) ENGINE = `File`(TSV)",
		"CREATE DATABASE d ENGINE = Filesystem('/')", "CREATE DICTIONARY d (a UInt8) PRIMARY KEY a", "CREATE FUNCTION f AS x -> x", "CREATE USER u",
		"CREATE OR REPLACE DICTIONARY d (a UInt8)", "CREATE TABLE t (a UInt8) ENGINE = MergeTree SETTINGS disk = disk(type = 'local', path = '/')",
		"CREATE TABLE t (a UInt8) ENGINE = Memory PARALLEL WITH DROP TABLE t", "SYSTEM SHUTDOWN", "SYSTEM KILL", "SYSTEM RELOAD CONFIG",
		"DROP TABLE t SYNC", "KILL QUERY WHERE 1 SYNC", "WITH 1 AS x INSERT INTO t SELECT x", "(INSERT INTO t SELECT 1)", "FROM t SELECT 1",
		"SELECT * FROM filesystem('/')", "SELECT * FROM icebergLocal('/x')", "SELECT * FROM deltaLakeLocal('/x')", "SELECT * FROM paimonLocal('/x')",
	}
	for _, text := range forbidden {
		if got, err := Parse(text); !errors.Is(err, ErrForbidden) {
			t.Errorf("%s: got %+v, %v, want it forbidden", text, got, err)
		}
	}
	unreadable := []string{
		"SELECT 'a", "SELECT `a", "SELECT /* a", "SELECT (1", "SELECT 1)", "SELECT (1; SELECT 2)", "SELECT $$a;b$$", "SELECT \u2018a\u2019",
		"SELECT x'4\\'", "SELECT\u00a01", "SELECT 1\x00", "INSERT INTO t (a)", "SELECT 1 SETTINGS a = 1 SETTINGS b = 2", "SELECT 1 SETTINGS a = ",
		"SELECT 1 SETTINGS a = 1,", "SELECT 1 \\ 2", "", "1 + 1", "SELEC 1", "SET", "SET ROLE x", "SET a", "SET a = 1 b", "USE", "USE a b", "USE 'a'",
		"SELECT 1 SETTINGS {a:Identifier} = 1",
	}
	for _, text := range unreadable {
		if got, err := Parse(text); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: got %+v, %v, want a syntax error", text, got, err)
		}
	}
}

func TestWith(t *testing.T) {
	tests := []struct{ text, want string }{
		{"SELECT 1", "SELECT 1\nSETTINGS x = 'y'\n"},
		{"SELECT 1 ; -- end", "SELECT 1 \nSETTINGS x = 'y'\n"},
		{"SELECT 1 -- end", "SELECT 1 -- end\nSETTINGS x = 'y'\n"},
		{"SELECT 1 SETTINGS a = 0.5, b='c' FORMAT JSON", "SELECT 1 \nSETTINGS a = 0.5, b='c', x = 'y'\n FORMAT JSON"},
		{"SELECT 1 FORMAT JSON SETTINGS a = -1;", "SELECT 1 FORMAT JSON \nSETTINGS a = -1, x = 'y'\n"},
		{"SELECT * FROM (SELECT 1 SETTINGS a = 1)", "SELECT * FROM (SELECT 1 SETTINGS a = 1)\nSETTINGS x = 'y'\n"},
		{"SYSTEM STOP MERGES", "SYSTEM STOP MERGES"},
		{"CREATE VIEW v AS SELECT 1 SETTINGS a = 1", "CREATE VIEW v AS SELECT 1 \nSETTINGS a = 1\n"},
	}
	for _, tt := range tests {
		s, err := Parse(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got := s.With("x = 'y'"); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestInto(t *testing.T) {
	const end = "\nINTO OUTFILE '/f' TRUNCATE COMPRESSION 'none' FORMAT Parquet"
	tests := []struct{ text, want string }{
		{"SELECT 1 FROM t", "SELECT 1 FROM t\nSETTINGS x = 1\n" + end},
		{"SELECT 1 FROM t FORMAT JSON;", "SELECT 1 FROM t \nSETTINGS x = 1\n" + end},
		{"SELECT 1 FROM t SETTINGS a = 2 FORMAT JSON", "SELECT 1 FROM t \nSETTINGS a = 2, x = 1\n " + end},
		{"SELECT 1 FROM t FORMAT JSON SETTINGS a = 2", "SELECT 1 FROM t  \nSETTINGS a = 2, x = 1\n" + end},
	}
	for _, tt := range tests {
		s, err := Parse(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got := s.Into("/f", "Parquet", "x = 1"); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestInsertText(t *testing.T) {
	tests := []struct{ text, want, format, data string }{
		{"INSERT INTO t FORMAT Native", "INSERT INTO t \nFROM INFILE '/f' COMPRESSION 'none' SETTINGS x = 1 FORMAT Native", "Native", ""},
		{
			"insert into t (a) settings b = 'c' format CSV\n1;2", "insert into t (a) \nFROM INFILE '/f' COMPRESSION 'none' SETTINGS b = 'c', x = 1 FORMAT CSV",
			"CSV", "1;2",
		},
		{"INSERT INTO t FORMAT Values (1)", "INSERT INTO t \nFROM INFILE '/f' COMPRESSION 'none' SETTINGS x = 1 FORMAT Values", "Values", "(1)"},
		{"INSERT INTO t (a) VALUES (1)", "INSERT INTO t (a) \nFROM INFILE '/f' COMPRESSION 'none' SETTINGS x = 1 FORMAT Values", "Values", "(1)"},
	}
	for _, tt := range tests {
		s, err := Parse(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got := s.From("/f", "x = 1"); got != tt.want || s.Format != tt.format || s.Data != tt.data {
			t.Errorf("%s: got %q, format %q, data %q, want %q, %q, %q", tt.text, got, s.Format, s.Data, tt.want, tt.format, tt.data)
		}
	}
}

func TestSettings(t *testing.T) {
	s, err := Parse("SELECT a FROM (SELECT 1 AS a SETTINGS Inner_One = 1) SETTINGS outer_one = 2, `settings` = 3")
	if err == nil {
		t.Errorf("got %v, want a quoted name of a setting refused", s.Settings)
	}
	s, err = Parse("SELECT settings FROM (SELECT 1 AS a SETTINGS Inner_One = 1) SETTINGS outer_one = 2, two='SETTINGS x = 1'")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"inner_one", "outer_one", "two"}; !slices.Equal(s.Settings, want) || !slices.Equal(s.Own, want[1:]) {
		t.Errorf("got %v, %v of the whole, want %v", s.Settings, s.Own, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"SELECT 1", "SELECT ';' FROM t SETTINGS a = 1 FORMAT JSON;", "INSERT INTO t (a) SETTINGS b = 1 FORMAT Native\x00\x01", "INSERT INTO t VALUES (1)",
		"CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", "WITH x AS (SELECT 1) SELECT * FROM x -- c", "SELECT x'41', `a``b`, \"c\\\"\"",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrSyntax) && !errors.Is(err, ErrForbidden) {
				t.Fatalf("%q: error of no kind: %v", text, err)
			}
			return
		}
		if s.Kind == Insert {
			return
		}
		// What is sent on must read as one statement of the same kind, whatever it was.
		again, err := Parse(s.With("zz = 'y'"))
		if err != nil || again.Kind != s.Kind {
			t.Fatalf("%q became %q: %v", text, s.With("zz = 'y'"), err)
		}
		if !s.fixed && !slices.Contains(again.Settings, "zz") {
			t.Fatalf("%q became %q, whose settings are %v", text, s.With("zz = 'y'"), again.Settings)
		}
	})
}
