package clickhouse

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

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

// readerProfile are the limits of readers, as in deploy/clickhouse/users.xml. They may set settings (readonly 2), but not raise these.
const readerProfile = `CREATE SETTINGS PROFILE IF NOT EXISTS activity_reader SETTINGS readonly = 2,
  max_memory_usage = 1000000000 MIN 1 MAX 1000000000, max_memory_usage_for_user = 1000000000 READONLY,
  max_execution_time = 60 MIN 1 MAX 305, max_result_rows = 10000000 MIN 1 MAX 10000000,
  max_concurrent_queries_for_user = 4 READONLY, queue_max_wait_ms = 30000,
  max_temporary_data_on_disk_size_for_user = 4294967296 READONLY, max_threads = 2 MAX 4`

// NewReader is a user of a ClickHouse server that is to be made.
type NewReader struct {
	Database string
	Name     string
	Password string
	Tenant   string // empty: of all tenants
}

// SQL are the statements that make the user. It gets its rights last, so that it never sees the rows of other tenants. A row policy on
// a table would hide all rows from users without one; the first policy of each table lets everybody see them, and the second, which
// restricts, holds for the user in any case.
func (r NewReader) SQL() []string {
	hash := sha256.Sum256([]byte(r.Password))
	name, all := Identifier(r.Name), []string{readerProfile}
	all = append(all, fmt.Sprintf("CREATE USER %s IDENTIFIED WITH sha256_hash BY '%s' DEFAULT DATABASE %s SETTINGS PROFILE 'activity_reader'",
		name, strings.ToUpper(hex.EncodeToString(hash[:])), Identifier(r.Database)))
	for _, s := range sources {
		if r.Tenant == "" || s.policy == "" {
			continue
		}
		table := Identifier(r.Database) + "." + s.table
		all = append(all,
			"CREATE ROW POLICY IF NOT EXISTS activity_everybody ON "+table+" FOR SELECT USING 1 TO ALL",
			"CREATE ROW POLICY OR REPLACE "+name+" ON "+table+" FOR SELECT USING "+fmt.Sprintf(s.policy, literal(r.Tenant))+" AS RESTRICTIVE TO "+name)
	}
	for _, grant := range ReaderGrants(r.Database) {
		all = append(all, "GRANT "+grant+" TO "+name)
	}
	return all
}

// Undo are the statements that remove the user and its policies, which a failed run of SQL may have left. Policies of everybody and the
// profile stay: other readers may need them.
func (r NewReader) Undo() []string {
	all := []string{"DROP USER IF EXISTS " + Identifier(r.Name)}
	for _, s := range sources {
		if r.Tenant != "" && s.policy != "" {
			all = append(all, "DROP ROW POLICY IF EXISTS "+Identifier(r.Name)+" ON "+Identifier(r.Database)+"."+s.table)
		}
	}
	return all
}
