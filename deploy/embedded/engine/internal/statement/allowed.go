package statement

import (
	"fmt"
	"slices"
	"strings"
)

// outside lists functions, table functions and disks that reach files, processes or the network. The engine's user has no grant for most of
// them, but the scalar function file() ignores grants, and two protections are better than one.
var outside = []string{
	"addresstoline", "addresstolinewithinlines", "addresstosymbol", "arrowstream", "azureblobstorage", "azureblobstoragecluster",
	"catboostevaluate", "cluster", "clusterallreplicas", "cosn", "deltalake", "deltalakeazure", "deltalakeazurecluster",
	"deltalakecluster", "deltalakelocal", "deltalakes3", "deltalakes3cluster", "dictionary", "disk", "executable", "file", "filecluster",
	"filesystem", "gcs", "hdfs", "hdfscluster", "hive", "hudi", "hudicluster", "iceberg", "icebergazure", "icebergazurecluster",
	"icebergcluster", "iceberghdfs", "iceberghdfscluster", "iceberglocal", "iceberglocalcluster", "icebergs3", "icebergs3cluster", "jdbc",
	"mongodb", "mysql", "odbc", "oss", "paimon", "paimonazure", "paimonazurecluster", "paimoncluster", "paimonhdfs",
	"paimonhdfscluster", "paimonlocal", "paimons3", "paimons3cluster", "postgresql", "python", "redis", "remote", "remotesecure", "s3",
	"s3cluster", "sqlite", "url", "urlcluster", "ytsaurus",
}

// known lists the statements of ClickHouse that clients may not send. Any other first word is a syntax error.
var known = []string{
	"ATTACH", "BACKUP", "BEGIN", "COMMIT", "COPY", "DETACH", "EXECUTE", "FROM", "GRANT", "MOVE", "PREPARE", "REPLACE", "RESTORE", "REVOKE", "ROLLBACK",
	"START", "UNDROP", "WATCH",
}

// engines lists the table and database engines that keep their data in the data folder.
var engines = []string{
	"aggregatingmergetree", "atomic", "collapsingmergetree", "log", "memory", "mergetree", "null", "replacingmergetree",
	"summingmergetree", "tinylog", "versionedcollapsingmergetree",
}

// created lists the kinds of objects that clients may create.
var created = []string{"DATABASE", "MATERIALIZED", "TABLE", "VIEW"}

// system lists the SYSTEM statements that clients may send.
var system = []string{
	"DROP MARK", "DROP QUERY", "DROP UNCOMPRESSED", "FLUSH LOGS", "START MERGES", "START TTL", "STOP MERGES", "STOP TTL",
}

// check refuses what clients may not execute.
func (sc *scan) check() error {
	first := sc.first()
	kind, ok := kinds[sc.upper(first)]
	switch {
	case !ok && slices.Contains(known, sc.upper(first)), ok && first > 0 && kind != Read:
		return forbid("statement %.30q", sc.string(first))
	case !ok:
		return sc.fail(0, "%.30q begins no statement", sc.string(first))
	}
	for i := range sc.tokens {
		if err := sc.checkToken(i); err != nil {
			return err
		}
	}
	switch sc.upper(first) {
	case "CREATE":
		return sc.checkCreate()
	case "SYSTEM":
		if what := sc.upper(1) + " " + sc.upper(2); !slices.Contains(system, what) {
			return forbid("SYSTEM %s", what)
		}
	case "DROP", "KILL", "TRUNCATE":
		// With SYNC they never return in the embedded engine.
		if sc.upper(len(sc.tokens)-1) == "SYNC" {
			return forbid("%s … SYNC", sc.upper(0))
		}
	case "INSERT":
		if sc.upper(2) == "FUNCTION" || sc.upper(3) == "FUNCTION" {
			return forbid("INSERT INTO FUNCTION")
		}
	case "WITH":
		if sc.find("INSERT") >= 0 {
			return forbid("WITH … INSERT")
		}
	case "USE":
		if len(sc.tokens) != 2 || sc.tokens[1].kind != word && sc.tokens[1].kind != quoted {
			return sc.fail(0, "USE takes the name of a database")
		}
	}
	return nil
}

func (sc *scan) checkToken(i int) error {
	t := sc.tokens[i]
	pair := sc.upper(i) + " " + sc.upper(i+1)
	switch pair {
	case "INTO OUTFILE", "FROM INFILE", "PARALLEL WITH":
		return forbid("%s", pair)
	}
	if t.kind != word && t.kind != quoted || !sc.is(i+1, "(") {
		return nil
	}
	name := strings.ToLower(strings.Trim(sc.string(i), "`\""))
	if strings.ContainsRune(name, '\\') || slices.Contains(outside, name) {
		return forbid("function %s", sc.string(i))
	}
	return nil
}

func (sc *scan) checkCreate() error {
	what := 1
	if sc.upper(1) == "OR" {
		what = 3
	}
	if !slices.Contains(created, sc.upper(what)) {
		return forbid("CREATE %.30q", sc.string(what))
	}
	for i := range sc.tokens {
		if sc.upper(i) != "ENGINE" {
			continue
		}
		name := i + 1
		if sc.is(name, "=") {
			name++
		}
		if !slices.Contains(engines, strings.ToLower(sc.upper(name))) {
			return forbid("engine %.30q", sc.string(name))
		}
	}
	return nil
}

func forbid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrForbidden, fmt.Sprintf(format, args...))
}
