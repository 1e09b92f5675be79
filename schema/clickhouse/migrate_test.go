package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
)

// fresh returns a database without tables, and a connection to it.
func fresh(t *testing.T) (*clickhouse.Options, clickhouse.Conn) {
	t.Helper()
	opts, err := clickhouse.ParseDSN(testbed.ClickHouse(t))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return opts, conn
}

func names(t *testing.T) (all []string) {
	t.Helper()
	migrations, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range migrations {
		all = append(all, fmt.Sprintf("%04d_%s", m.Version, m.Name))
	}
	return all
}

// tablesOf returns the tables of the connection's database by name.
func tablesOf(t *testing.T, conn clickhouse.Conn) (all []string) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT arraySort(groupArray(name)) FROM system.tables WHERE database = currentDatabase()").Scan(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

var allTables = []string{
	"activity", "by_entity", "by_kind", "cleanups", "cleanups_by_day", "daily_by_account", "daily_by_device", "dead_letters", "entries", "erased", "erasures",
	"erasures_by_day", "folding", "hourly", "ingest_lag", "logs", "retention", "retention_default", "retention_now", "schema_migrations", "secrets",
}

func TestMigrate(t *testing.T) {
	opts, conn := fresh(t)
	if v, err := Version(t.Context(), conn); err == nil {
		t.Errorf("Version() of nothing = %d, want an error", v)
	}
	applied, err := Migrate(t.Context(), opts)
	if want := names(t); err != nil || !slices.Equal(applied, want) {
		t.Errorf("Migrate() = %v, %v, want %v", applied, err, want)
	}
	if got := tablesOf(t, conn); !slices.Equal(got, allTables) {
		t.Errorf("got tables %v, want %v", got, allTables)
	}
	if applied, err := Migrate(t.Context(), opts); err != nil || len(applied) != 0 {
		t.Errorf("Migrate() again = %v, %v, want nothing to do", applied, err)
	}
	if v, err := Version(t.Context(), conn); err != nil || v != len(names(t)) {
		t.Errorf("Version() = %d, %v, want %d", v, err, len(names(t)))
	}
}

func TestMigrateMakesItsDatabase(t *testing.T) {
	opts, conn := fresh(t)
	own := *opts
	own.Auth.Database = opts.Auth.Database + "-x`y\\z"
	quoted := "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(own.Auth.Database) + "`"
	t.Cleanup(func() { _ = conn.Exec(context.Background(), "DROP DATABASE IF EXISTS "+quoted) })
	if _, err := Migrate(t.Context(), &own); err != nil {
		t.Fatal(err)
	}
	made, err := clickhouse.Open(&own)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = made.Close() }()
	if got := tablesOf(t, made); !slices.Equal(got, allTables) {
		t.Errorf("got tables %v, want %v", got, allTables)
	}
	if got := tablesOf(t, conn); len(got) != 0 {
		t.Errorf("got tables %v in the other database, want none", got)
	}
}

func TestManyMigrateAtOnce(t *testing.T) {
	opts, conn := fresh(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := Migrate(t.Context(), opts); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := tablesOf(t, conn); !slices.Equal(got, allTables) {
		t.Errorf("got tables %v, want %v", got, allTables)
	}
	if v, err := Version(t.Context(), conn); err != nil || v != len(names(t)) {
		t.Errorf("Version() = %d, %v, want %d", v, err, len(names(t)))
	}
	if applied, err := Migrate(t.Context(), opts); err != nil || len(applied) != 0 {
		t.Errorf("Migrate() after them = %v, %v, want nothing to do", applied, err)
	}
}

// TestMigrateGoesOnWhereItWasCutOff interrupts a run after every statement.
func TestMigrateGoesOnWhereItWasCutOff(t *testing.T) {
	migrations, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range migrations {
		for n := range m.Statements {
			if n > 0 && strings.Contains(m.Statements[n-1], "\n"+makesView) && strings.Contains(m.Statements[n], "\n"+makesView) {
				continue // one view is as good as another
			}
			t.Run(fmt.Sprintf("%d.%d", m.Version, n), func(t *testing.T) {
				opts, conn := fresh(t)
				if err := conn.Exec(t.Context(), versionTable); err != nil {
					t.Fatal(err)
				}
				for _, before := range migrations[:i] {
					if err := apply(t.Context(), conn, before); err != nil {
						t.Fatal(err)
					}
				}
				for _, s := range m.Statements[:n+1] {
					if err := conn.Exec(t.Context(), s); err != nil {
						t.Fatal(err)
					}
				}
				applied, err := Migrate(t.Context(), opts)
				if want := names(t)[i:]; err != nil || !slices.Equal(applied, want) {
					t.Errorf("Migrate() = %v, %v, want %v", applied, err, want)
				}
				if got := tablesOf(t, conn); !slices.Equal(got, allTables) {
					t.Errorf("got tables %v, want %v", got, allTables)
				}
			})
		}
	}
}

func TestANewerDatabaseIsLeftAlone(t *testing.T) {
	opts, conn := fresh(t)
	if err := conn.Exec(t.Context(), versionTable); err != nil {
		t.Fatal(err)
	}
	if err := conn.Exec(t.Context(), "INSERT INTO schema_migrations (version, name) VALUES (1000, 'later')"); err != nil {
		t.Fatal(err)
	}
	if applied, err := Migrate(t.Context(), opts); err != nil || len(applied) != 0 {
		t.Errorf("Migrate() = %v, %v, want nothing to do", applied, err)
	}
	if v, err := Version(t.Context(), conn); err != nil || v != 1000 {
		t.Errorf("Version() = %d, %v, want 1000", v, err)
	}
}

// TestMigrateNoticesAMissingTable: a table that is gone is named, and recreated only when that is asked for.
func TestMigrateNoticesAMissingTable(t *testing.T) {
	opts, conn := fresh(t)
	exec := func(text string) {
		t.Helper()
		if err := conn.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	var gone []string
	for _, name := range allTables {
		if name == "schema_migrations" || slices.Contains(Views, name) {
			continue
		}
		exec("DROP TABLE " + name)
		gone = append(gone, name)
		applied, err := Migrate(t.Context(), opts)
		if err == nil || len(applied) != 0 {
			t.Fatalf("without %v: Migrate() = %v, %v, want an error", gone, applied, err)
		}
		for _, each := range gone {
			if !strings.Contains(err.Error(), "table "+each) {
				t.Errorf("%v does not name %s", err, each)
			}
		}
	}
	exec("DROP TABLE schema_migrations")
	if applied, err := Migrate(t.Context(), opts); err != nil || !slices.Equal(applied, names(t)) {
		t.Errorf("Migrate() = %v, %v, want all migrations again", applied, err)
	}
	if got := tablesOf(t, conn); !slices.Equal(got, allTables) {
		t.Errorf("got tables %v, want %v", got, allTables)
	}
}

// TestMigrateRestoresViews: views hold no rows, so one that is gone is simply made again.
func TestMigrateRestoresViews(t *testing.T) {
	opts, conn := fresh(t)
	if _, err := Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	for _, name := range Views {
		if err := conn.Exec(t.Context(), "DROP VIEW "+name); err != nil {
			t.Fatal(err)
		}
	}
	if applied, err := Migrate(t.Context(), opts); err != nil || len(applied) != 0 {
		t.Errorf("Migrate() = %v, %v, want nothing to apply", applied, err)
	}
	if got := tablesOf(t, conn); !slices.Equal(got, allTables) {
		t.Errorf("got tables %v, want %v", got, allTables)
	}
}

// TestAnInterruptedMigrationGoesOn: a migration that made its table and was not recorded is applied again.
func TestAnInterruptedMigrationGoesOn(t *testing.T) {
	opts, conn := fresh(t)
	if _, err := Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	last := len(names(t))
	if err := conn.Exec(t.Context(), fmt.Sprintf("ALTER TABLE schema_migrations DELETE WHERE version = %d SETTINGS mutations_sync = 2", last)); err != nil {
		t.Fatal(err)
	}
	if applied, err := Migrate(t.Context(), opts); err != nil || !slices.Equal(applied, names(t)[last-1:]) {
		t.Errorf("Migrate() = %v, %v, want the last one", applied, err)
	}
}

func TestMigrateSaysWhatFailed(t *testing.T) {
	opts, conn := fresh(t)
	if err := conn.Exec(t.Context(), "CREATE TABLE schema_migrations (version UInt32) ENGINE = MergeTree ORDER BY version"); err != nil {
		t.Fatal(err)
	}
	if applied, err := Migrate(t.Context(), opts); len(applied) != 0 || err == nil || !strings.Contains(err.Error(), "record migration 1") {
		t.Errorf("Migrate() = %v, %v, want nothing and what it failed at", applied, err)
	}
	gone := *opts
	gone.Addr = []string{"127.0.0.1:1"}
	if applied, err := Migrate(t.Context(), &gone); len(applied) != 0 || err == nil {
		t.Errorf("Migrate() without a server = %v, %v, want an error", applied, err)
	}
}

// TestEveryStatementCanBeRepeated: only then are two runs at once, and interrupted runs, harmless.
func TestEveryStatementCanBeRepeated(t *testing.T) {
	migrations, err := Migrations()
	if err != nil || len(migrations) == 0 {
		t.Fatalf("Migrations() = %v, %v", migrations, err)
	}
	for _, m := range migrations {
		if len(m.Statements) == 0 {
			t.Errorf("migration %d has no statement", m.Version)
		}
		for _, s := range m.Statements {
			text := withoutComments(s)
			// Parts that have the index already are not rebuilt, and rows that are marked already are not marked again.
			same := strings.Contains(text, "MATERIALIZE INDEX") || strings.Contains(text, "SET folded = "+unfolded+" WHERE folded != "+unfolded)
			if !same && !strings.Contains(text, "IF NOT EXISTS") && !strings.Contains(text, "IF EXISTS") {
				t.Errorf("migration %d: %.60q cannot be repeated", m.Version, text)
			}
		}
	}
}

func withoutComments(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		code, _, _ := strings.Cut(line, "--")
		out = append(out, strings.TrimSpace(code))
	}
	return strings.TrimSpace(strings.Join(out, " "))
}

func TestStatements(t *testing.T) {
	for text, want := range map[string][]string{
		"":                         nil,
		"\n\n":                     nil,
		"A;\n":                     {"A"},
		"A;":                       {"A"},
		"A ; B;\nC -- x; y\n;\n":   {"A ; B", "C -- x; y\n"},
		"A\n  'x;y';\n\n-- end\n;": {"A\n  'x;y'", "\n-- end\n"},
	} {
		if got := statements(text); !slices.Equal(got, want) {
			t.Errorf("statements(%q) = %q, want %q", text, got, want)
		}
	}
}
