package clickhouse

import "strings"

// Views are what people and their tools read.
var Views = []string{
	"entries", "hourly", "daily_by_device", "daily_by_account", "ingest_lag", "retention_now", "erasures_by_day", "cleanups_by_day",
}

// source is a table that the views read with the rights of their reader.
type source struct {
	table   string
	columns string // that a reader may read; empty: all
	policy  string // the rows that belong to the tenant of a reader, where %s is its name as a literal; empty: the table has no tenants
}

// sources are the only tables that a reader may read. Rows without a tenant are about all of them: how far a partition is counted, and
// what the tables have dropped.
var sources = []source{
	{"activity", "", "tenant = %s"},
	{"by_kind", "", "tenant = %s"},
	{"by_entity", "", "tenant IN (%s, '')"},
	{"retention", "tenant, days, gone_before, at", "tenant IN (%s, '')"},
	{"retention_default", "", ""},
	{"erasures", "tenant, at, entries", "tenant = %s"},
	{"cleanups", "tenant, done, at, entries", "tenant = %s"},
}

// ReaderGrants are the rights of a reader of the database, each as what follows GRANT.
func ReaderGrants(database string) []string {
	var all []string
	for _, view := range Views {
		all = append(all, "SELECT ON "+Identifier(database)+"."+view)
	}
	for _, s := range sources {
		what := "SELECT"
		if s.columns != "" {
			what += "(" + s.columns + ")"
		}
		all = append(all, what+" ON "+Identifier(database)+"."+s.table)
	}
	return all
}

// Identifier is a name as SQL writes it.
func Identifier(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}

// literal is a text as SQL writes it.
func literal(text string) string {
	return "'" + strings.NewReplacer("\\", "\\\\", "'", "\\'").Replace(text) + "'"
}
