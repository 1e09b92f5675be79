package statement

import (
	"fmt"
	"slices"
	"strings"
)

// families lists the prefixes of settings that clients may set: limits, query planning, and details of formats.
var families = []string{
	"aggregate_", "aggregation_", "any_join_", "cast_", "collect_hash_table_stats_", "date_time_", "distinct_", "fsync_", "group_by_",
	"input_format_", "join_", "max_", "merge_", "min_", "optimize_", "output_format_", "partial_merge_join_", "preferred_",
	"query_cache_", "query_plan_", "read_in_order_", "read_overflow_", "result_overflow_", "short_circuit_", "sort_overflow_",
	"timeout_", "totals_", "transform_null_", "use_",
}

// settings lists further settings that clients may set.
var settings = []string{
	"additional_table_filters", // services: a URL parameter only; readers: also in a statement; its conditions are checked, see CheckFilters
	"allow_experimental_analyzer", "allow_experimental_json_type", "alter_sync", "alter_update_mode", "analyzer_compatibility_join_using_top_level_identifier",
	"async_insert", "auto_statistics_types", "cancel_http_readonly_queries_on_client_close", "connect_timeout", "convert_query_to_cnf",
	"count_distinct_implementation", "deduplicate_blocks_in_dependent_materialized_views", "enable_analyzer", "enable_block_number_column",
	"enable_block_offset_column", "enable_json_type", "enable_lightweight_update", "enable_optimize_predicate_expression", "exact_rows_before_limit", "extremes",
	"final", "force_index_by_date", "force_primary_key", "http_headers_progress_interval_ms", "ignore_data_skipping_indices", "index_granularity",
	"index_granularity_bytes", "insert_deduplicate", "insert_deduplication_token", "insert_null_as_default", "insert_quorum",
	"lightweight_delete_mode", "lightweight_deletes_sync", "lightweight_mutation_projection_mode", "limit", "log_queries", "materialize_skip_indexes_on_insert", "materialize_statistics_on_insert", "materialize_ttl_after_modify", "materialize_ttl_recalculate_only", "mutations_sync",
	"non_replicated_deduplication_window", "offset", "old_parts_lifetime", "parallel_replicas_for_non_replicated_merge_tree", "parts_to_delay_insert",
	"parts_to_throw_insert", "prefer_column_name_to_alias", "prefer_localhost_replica", "priority", "read_backoff_min_latency_ms",
	"receive_timeout", "schema_inference_hints", "select_sequential_consistency", "send_progress_in_http_headers", "send_timeout",
	"session_timezone", "ttl_only_drop_parts", "union_default_mode", "wait_for_async_insert", "workload",
}

// reaching lists the settings of the families that name a file, a schema or SQL, so clients may not set them.
var reaching = []string{
	"input_format_record_errors_file_path", "output_format_avro_confluent_subject", "output_format_schema",
}

// Allowed reports whether clients may set this setting. They may not set one that names a file, a host, SQL or another dialect of SQL.
func Allowed(name string) bool {
	if slices.Contains(settings, name) {
		return true
	}
	inFamily := slices.ContainsFunc(families, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	return inFamily && !slices.Contains(reaching, name)
}

// Filters is the setting whose value is SQL.
const Filters = "additional_table_filters"

// CheckFilters checks a value of the setting additional_table_filters, {'table': 'condition', …}: it must be such a map, and each
// condition has to pass what the text of a statement has to, and check, unless that is nil, with the condition as a statement. ErrSyntax
// or ErrForbidden if not, or the error of check.
func CheckFilters(value string, check func(*Statement) error) error {
	l := lexer{text: value}
	expect := func(s string) error {
		t, err := l.next()
		if got := value[t.start:t.end]; err == nil && got != s {
			err = l.fail(t.start, "expected %q, got %.20q", s, got)
		}
		return err
	}
	if err := expect("{"); err != nil {
		return err
	}
	for first := true; ; first = false {
		t, err := l.next()
		switch {
		case err != nil:
			return err
		case first && value[t.start:t.end] == "}":
			return expect("")
		case t.kind != literal:
			return l.fail(t.start, "expected a table's name in quotes")
		}
		if err := expect(":"); err != nil {
			return err
		}
		if err := l.condition(check); err != nil {
			return err
		}
		switch t, err := l.next(); {
		case err != nil:
			return err
		case value[t.start:t.end] == "}":
			return expect("")
		case value[t.start:t.end] != ",":
			return l.fail(t.start, "expected a comma or a closing brace")
		}
	}
}

// condition reads a literal and checks the condition that it holds.
func (l *lexer) condition(check func(*Statement) error) error {
	t, err := l.next()
	if err != nil {
		return err
	}
	if t.kind != literal {
		return l.fail(t.start, "expected a condition in quotes")
	}
	text, err := unquote(l.text[t.start:t.end])
	if err != nil {
		return err
	}
	s, err := Parse("SELECT 1 FROM t WHERE (" + text + ")")
	if err == nil && (s.Kind != Read || len(s.Settings) > 0 || s.Format != "") {
		err = fmt.Errorf("%w: a filter must be a single condition", ErrForbidden)
	}
	if err == nil && check != nil {
		err = check(s)
	}
	return err
}

// unquote returns the value of a literal. It knows the escapes \\ and \' and doubled quotes, and refuses all others: the value must be the
// same that the engine reads.
func unquote(quoted string) (string, error) {
	inner := quoted[1 : len(quoted)-1]
	var b strings.Builder
	for i := 0; i < len(inner); i++ {
		if inner[i] == '\'' || inner[i] == '\\' {
			if i++; i == len(inner) || inner[i] != '\'' && inner[i] != '\\' || inner[i-1] == '\'' && inner[i] != '\'' {
				return "", fmt.Errorf("%w: escape in a filter that is neither \\\\ nor \\'", ErrSyntax)
			}
		}
		b.WriteByte(inner[i])
	}
	return b.String(), nil
}
