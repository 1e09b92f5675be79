package engine

import (
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/libchdb"
	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/statement"
)

// ReaderName is the user for people and their tools, who only read.
const ReaderName = "reader"

const defaultUser = "default"

// Reader is a second user. It can only read, and only what it was granted: ClickHouse itself checks that, because the connections for
// this user have no other role. It has connections and limits of its own, so that heavy queries of people do not hold up the services.
type Reader struct {
	Password    string        // if empty, there is no such user
	Grants      []string      // such as "SELECT ON default.entries"
	Connections int           // statements that may run at a time, 2 if 0
	QueueWait   time.Duration // how long a statement may wait for a connection, 30 s if 0: a dashboard sends many at once
	MaxMemory   uint64        // bytes of all its statements together; a quarter of the engine's if 0, or 1 GB if that is not set
}

const readerMemory = 1 << 30

// complete sets the defaults of a reader of an engine with that much memory.
func (r *Reader) complete(engine uint64) {
	if r.Password == "" {
		*r = Reader{}
		return
	}
	if r.Connections == 0 {
		r.Connections = 2
	}
	if r.QueueWait == 0 {
		r.QueueWait = 30 * time.Second
	}
	if r.MaxMemory == 0 {
		r.MaxMemory = engine / 4
	}
	if r.MaxMemory == 0 {
		r.MaxMemory = readerMemory
	}
}

// limits are the settings that the user may lower and not raise. The memory is divided, because to ClickHouse all users are one.
func (r Reader) limits() map[string]uint64 {
	return map[string]uint64{
		"max_execution_time":                        60, // seconds
		"max_memory_usage":                          r.MaxMemory / uint64(r.Connections),
		"max_result_rows":                           10_000_000,
		"max_temporary_data_on_disk_size_for_query": 4 << 30, // bytes, of sorting and grouping beyond half of the memory
		"max_threads":                               uint64(max(1, runtime.NumCPU()/2)),
	}
}

// limit bounds the settings of a request, by name, and returns them with all limits.
func (r Reader) limit(asked map[string]string) []string {
	limits := r.limits()
	for name, most := range limits {
		if n, err := strconv.ParseFloat(asked[name], 64); err == nil && n > 0 && n < float64(most) {
			limits[name] = uint64(max(1, n))
		}
	}
	all := []string{"result_overflow_mode = 'throw'", "timeout_overflow_mode = 'throw'"}
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		all = append(all, fmt.Sprintf("%s = %d", name, limits[name]))
	}
	return all
}

// roles are the reader's role and its grants for the file of users, and the grant that lets the engine assume it.
func (r Reader) roles() (role, assume string) {
	if r.Password == "" {
		return "", ""
	}
	var grants strings.Builder
	for _, grant := range append([]string{"SELECT ON information_schema.*", "SELECT ON INFORMATION_SCHEMA.*"}, r.Grants...) {
		grants.WriteString("<query>GRANT ")
		_ = xml.EscapeText(&grants, []byte(grant))
		grants.WriteString("</query>")
	}
	return fmt.Sprintf("<%[1]s><grants>%[2]s</grants></%[1]s>", ReaderName, &grants), "<query>GRANT " + ReaderName + "</query>"
}

// systemTables are the tables of the database system that readers may read: about the engine, and about the tables that they may
// read. Others tell of the data folder and of what the services do.
var systemTables = []string{
	"aggregate_function_combinators", "build_options", "collations", "columns", "completions", "contributors", "data_skipping_indices", "data_type_families",
	"database_engines", "databases", "dictionaries", "formats", "functions", "keywords", "licenses", "numbers", "numbers_mt", "one", "parts", "parts_columns",
	"projections", "settings", "table_engines", "table_functions", "tables", "time_zones", "zeros", "zeros_mt",
}

// shown are what readers may SHOW. Others, such as PROCESSLIST, read tables of the database system that are not for readers.
var shown = []string{
	"COLUMNS", "CREATE", "DATABASES", "ENGINES", "FIELDS", "FUNCTIONS", "INDEX", "INDEXES", "INDICES", "KEYS", "SETTING", "SETTINGS", "TABLE", "TABLES",
}

// anyTable are the table functions that name tables in texts.
var anyTable = []string{
	"fuzzquery", "loop", "merge", "mergetreeanalyzeindexes", "mergetreeanalyzeindexesuuid", "mergetreeindex", "mergetreeprojection", "mergetreetextindex",
	"prometheusquery", "prometheusqueryrange", "timeseriesdata", "timeseriesmetrics", "timeseriesselector", "timeseriestags", "viewexplain",
}

// checkReader refuses what a reader's role does not forbid in libchdb, which has no access rights for the database system.
func (req *request) checkReader() error {
	if req.reader == nil {
		return nil
	}
	if strings.EqualFold(req.database, "system") {
		return fault(codeAccessDenied, "%s: tables of the database system are read with their whole name, from another database", ReaderName)
	}
	if req.stmt.Identifiers {
		for _, p := range req.params {
			if strings.Contains(strings.ToLower(p.Value), "system") {
				return fault(codeAccessDenied, "%s: parameter %s names the database system", ReaderName, p.Name)
			}
		}
	}
	if err := readerMay(req.stmt); err != nil {
		return err
	}
	for _, value := range req.stmt.Filters {
		if err := req.checkFilters(value); err != nil {
			return err
		}
	}
	return nil
}

// readerMay refuses system tables and table functions that readers may not use.
func readerMay(s *statement.Statement) error {
	for _, name := range s.System {
		if !slices.Contains(systemTables, name) {
			return fault(codeAccessDenied, "%s: Not enough privileges. system.%.60s is not for readers", ReaderName, name)
		}
	}
	for _, what := range s.Shows {
		if !slices.Contains(shown, what) {
			return fault(codeAccessDenied, "%s: Not enough privileges. SHOW %.60s is not for readers", ReaderName, what)
		}
	}
	for _, name := range s.Functions {
		if slices.Contains(anyTable, name) || strings.ContainsRune(name, '\\') {
			return fault(codeAccessDenied, "%s: Not enough privileges. function %.60s is not for readers", ReaderName, name)
		}
	}
	return nil
}

// checkFilters checks a value of the setting whose value is SQL.
func (req *request) checkFilters(value string) error {
	check := readerMay
	if req.reader == nil {
		check = nil
	}
	err := statement.CheckFilters(value, check)
	var refused *libchdb.Error
	if err == nil || errors.As(err, &refused) {
		return err
	}
	return fault(codeAccessDenied, "setting %s: %v", statement.Filters, err)
}
