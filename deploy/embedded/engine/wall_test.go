package engine

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/statement"
)

// No setting that clients may set holds a path, an address, SQL or the name of a dialect: of those that hold text only these are
// allowed, each a name, a mode or a token.
func TestAllowedSettingsHoldNoPaths(t *testing.T) {
	harmless := []string{
		"additional_table_filters", // its conditions are checked
		"auto_statistics_types", "count_distinct_implementation", "ignore_data_skipping_indices", "input_format_mysql_dump_table_name",
		"input_format_orc_reader_time_zone_name", "insert_deduplication_token", "merge_workload", "output_format_avro_codec",
		"output_format_avro_string_column_pattern", "output_format_orc_writer_time_zone_name", "output_format_pretty_grid_charset",
		"output_format_sql_insert_table_name", "preferred_optimize_projection_name", "query_cache_tag", "schema_inference_hints", "session_timezone", "workload",
	}
	c := start(t)
	text := c.want(http.StatusOK, `SELECT name FROM (SELECT name, type FROM system.settings UNION ALL SELECT name, type FROM system.merge_tree_settings)
		WHERE type IN ('String', 'Map', 'URI', 'Dialect', 'Timezone', 'SQLSecurityType') FORMAT TSV`, nil)
	names := strings.Split(text, "\n")
	if len(names) < 50 {
		t.Fatalf("the engine names only %d settings that hold text", len(names))
	}
	for _, name := range names {
		if statement.Allowed(name) && !slices.Contains(harmless, name) {
			t.Errorf("setting %s holds text and is allowed", name)
		}
	}
}

// Every table function of the engine either reaches nothing outside the engine, or is refused.
func TestTableFunctionsStayInside(t *testing.T) {
	inside := []string{
		"SQLStandardValues", "format", "fuzzJSON", "fuzzQuery", "generateRandom", "generateSeries", "generate_series", "input", "loop", "merge",
		"mergeTreeAnalyzeIndexes", "mergeTreeAnalyzeIndexesUUID", "mergeTreeIndex", "mergeTreeProjection", "mergeTreeTextIndex", "null", "numbers", "numbers_mt",
		"primes", "prometheusQuery", "prometheusQueryRange", "timeSeriesData", "timeSeriesMetrics", "timeSeriesSelector", "timeSeriesTags",
		"values", "view", "viewExplain", "viewIfPermitted", "zeros", "zeros_mt",
	}
	c := start(t)
	for name := range strings.SplitSeq(c.want(http.StatusOK, "SELECT name FROM system.table_functions FORMAT TSV", nil), "\n") {
		if slices.Contains(inside, name) {
			continue
		}
		if _, err := statement.Parse(fmt.Sprintf("SELECT * FROM %s('x')", name)); err == nil {
			t.Errorf("table function %s is taken", name)
		}
	}
}

// Clients cannot read a file that the process may read, in any way.
func TestFilesCannotBeRead(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "services.env")
	if err := os.WriteFile(secret, []byte("top-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t)
	c.want(http.StatusOK, "CREATE TABLE t (a String) ENGINE = MergeTree ORDER BY a", nil)
	c.want(http.StatusOK, "INSERT INTO t VALUES ('x')", nil)
	for _, tt := range []struct {
		text   string
		params []string
	}{
		{"SELECT 1 FORMAT Template", []string{"format_template_row", secret}},
		{"SELECT 1 FORMAT Template SETTINGS format_template_resultset = '" + secret + "'", nil},
		{"SELECT 1 FORMAT Protobuf", []string{"format_schema", secret + ":M"}},
		{"SELECT 1 FORMAT CapnProto SETTINGS format_schema = '" + secret + ":M'", nil},
		{"SELECT * FROM t", []string{"additional_table_filters", "{'t':'startsWith(file(\\'" + secret + "\\'), \\'top\\')'}"}},
		{"SELECT * FROM t", []string{"additional_table_filters", `{'t':'a IN (SELECT * FROM file(\'` + secret + `\', LineAsString))'}`}},
		{"SELECT * FROM t", []string{"additional_result_filter", "startsWith(file('" + secret + "'), 'top')"}},
		{"SELECT * FROM t SETTINGS additional_result_filter = 'file(''" + secret + "'') != '''''", nil},
		{"SELECT * FROM {f:Identifier}", []string{"param_f", "file('" + secret + "')"}},
		{"SELECT * FROM {f:Identifier}", []string{"param_f", secret}},
		{"SELECT * FROM filesystem('/')", nil},
		{"SELECT * FROM t WHERE a = (SELECT 1 SETTINGS format_schema = '" + secret + "')", nil},
		{"CREATE VIEW v AS SELECT file('" + secret + "')", nil},
		{"CREATE VIEW v AS SELECT 1 SETTINGS format_template_row = '" + secret + "'", nil},
		{"CREATE TABLE u (a String DEFAULT file('" + secret + "')) ENGINE = Memory", nil},
		{"CREATE TABLE u (a String) ENGINE = MergeTree ORDER BY a SETTINGS disk = 'x'", nil},
		{"CREATE TABLE u (a String, CONSTRAINT c CHECK file('" + secret + "') = '') ENGINE = Memory", nil},
		{"ALTER TABLE t UPDATE a = file('" + secret + "') WHERE 1", nil},
		{"ALTER TABLE t MODIFY COLUMN a String MATERIALIZED file('" + secret + "')", nil},
		{"ALTER TABLE t MODIFY SETTING storage_policy = 'x'", nil},
		{"ALTER TABLE t MODIFY TTL toDate(file('" + secret + "'))", nil},
		{"DELETE FROM t WHERE file('" + secret + "') != ''", nil},
		{"INSERT INTO t SELECT file('" + secret + "')", nil},
		{"INSERT INTO t (a) SELECT * FROM input('a String') FORMAT Template SETTINGS format_template_row = '" + secret + "'", nil},
		{"file('" + secret + "') | take 1", []string{"dialect", "kusto", "allow_experimental_kusto_dialect", "1"}},
		{"SELECT 1 SETTINGS dialect = 'prql'", nil},
		{"EXPLAIN SELECT file('" + secret + "')", nil},
		{"DESCRIBE TABLE file('" + secret + "')", nil},
		{"SHOW TABLES LIKE file('" + secret + "')", nil},
		{"SET format_template_row = '" + secret + "'", nil},
		{"SELECT formatQuery('x') INTO OUTFILE '" + secret + "' TRUNCATE", nil},
	} {
		got := c.do(http.MethodPost, tt.text, nil, tt.params...)
		if got.status < 400 || strings.Contains(got.body, "top-secret") {
			t.Errorf("%s %q: got %d %s, want it refused", tt.text, tt.params, got.status, got.body)
		}
	}
	if b, err := os.ReadFile(secret); err != nil || string(b) != "top-secret\n" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

// SET and USE succeed, as clients expect, and change nothing for the next statement.
func TestSessionStatementsHaveNoEffect(t *testing.T) {
	c := start(t)
	threads := c.want(http.StatusOK, "SELECT getSetting('max_threads')", nil)
	for _, text := range []string{"SET max_threads = 1", "SET max_threads = 1, join_use_nulls = 1;", "USE system", "USE `system`"} {
		if got := c.want(http.StatusOK, text, nil, "session_id", "one"); got != "" {
			t.Errorf("%s: got %q, want nothing", text, got)
		}
	}
	for range 10 {
		c.query("SELECT getSetting('max_threads')", threads, "session_id", "one")
		c.query("SELECT currentDatabase()", c.database, "session_id", "one")
	}
}
