// Package clickhouse is what services share about ClickHouse: the tables, as numbered migrations, and how to apply them; the
// conditions of a filter; the rule of the rollups; and the error codes. A migration is applied once and never changed afterwards.
// Every statement can be repeated: an interrupted run is simply run again, and two runs at once do no harm.
package clickhouse

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed *.sql
var files embed.FS

// Migration is one numbered file.
type Migration struct {
	Version    int
	Name       string
	Statements []string
}

// Migrations returns all migrations by rising version, from 1 on without a gap.
func Migrations() ([]Migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var all []Migration
	for i, name := range names { // Glob sorts
		number, title, _ := strings.Cut(strings.TrimSuffix(name, ".sql"), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s: want number %d", name, i+1)
		}
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", name, err)
		}
		all = append(all, Migration{Version: version, Name: title, Statements: statements(string(text))})
	}
	return all, nil
}

// statements splits a file at the semicolons that end a line. Comments stay in: a syntax error is then reported with the line
// number of the file.
func statements(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text+"\n", ";\n") {
		if strings.TrimSpace(part) != "" {
			out = append(out, part)
		}
	}
	return out
}

const versionTable = `CREATE TABLE IF NOT EXISTS schema_migrations (version UInt32, name String, applied_at DateTime DEFAULT now())
ENGINE = ReplacingMergeTree ORDER BY version`

// Migrate creates the database of opts if it is missing, and applies the migrations that it lacks. It returns their names. It
// refuses a database that has lost a table of an earlier migration: whoever recreates that table must know that its rows are lost.
func Migrate(ctx context.Context, opts *clickhouse.Options) ([]string, error) {
	if err := createDatabase(ctx, opts); err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(patient(opts))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", opts.Auth.Database, err)
	}
	defer conn.Close()
	if err := conn.Exec(ctx, versionTable); err != nil {
		return nil, fmt.Errorf("create schema_migrations: %w", err)
	}
	at, err := Version(ctx, conn)
	if err != nil {
		return nil, err
	}
	all, err := Migrations()
	if err != nil {
		return nil, err
	}
	if at > len(all) {
		return nil, nil // a newer version knows what it needs
	}
	lost, err := Missing(ctx, conn, all[:at])
	if err != nil {
		return nil, err
	}
	if len(lost) > 0 {
		return nil, fmt.Errorf("missing, although schema_migrations has version %d: %s: restore it from a backup, "+
			"or drop the table schema_migrations and migrate again, which makes it without its rows", at, strings.Join(lost, ", "))
	}
	if err := restoreViews(ctx, conn, all[:at]); err != nil {
		return nil, err
	}
	var applied []string
	for _, m := range all[at:] {
		if err := apply(ctx, conn, m); err != nil {
			return applied, err
		}
		applied = append(applied, fmt.Sprintf("%04d_%s", m.Version, m.Name))
	}
	return applied, nil
}

// patient returns opts without limits of time: a migration may read all texts of a table.
func patient(opts *clickhouse.Options) *clickhouse.Options {
	own := *opts
	own.ReadTimeout = 7 * 24 * time.Hour
	own.Settings = maps.Clone(opts.Settings)
	if own.Settings == nil {
		own.Settings = clickhouse.Settings{}
	}
	own.Settings["max_execution_time"] = 0
	return &own
}

func apply(ctx context.Context, conn clickhouse.Conn, m Migration) error {
	for _, s := range m.Statements {
		if err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("apply migration %d (%s): %w", m.Version, m.Name, err)
		}
	}
	if err := conn.Exec(ctx, "INSERT INTO schema_migrations (version, name) VALUES (?, ?)", m.Version, m.Name); err != nil {
		return fmt.Errorf("record migration %d: %w", m.Version, err)
	}
	return nil
}

func createDatabase(ctx context.Context, opts *clickhouse.Options) error {
	if opts.Auth.Database == "" || opts.Auth.Database == "default" {
		return nil
	}
	server := *opts
	server.Auth.Database = "default"
	conn, err := clickhouse.Open(&server)
	if err != nil {
		return fmt.Errorf("open server: %w", err)
	}
	defer conn.Close()
	if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+Identifier(opts.Auth.Database)); err != nil {
		return fmt.Errorf("create database %s: %w", opts.Auth.Database, err)
	}
	return nil
}

// What precedes the name of each table and each view that a migration creates.
const (
	makes     = "CREATE TABLE IF NOT EXISTS "
	makesView = "CREATE VIEW IF NOT EXISTS "
)

// tables returns the names of the tables that m makes.
func (m Migration) tables() (names []string) {
	for _, s := range m.Statements {
		if _, rest, ok := strings.Cut("\n"+s, "\n"+makes); ok {
			name, _, _ := strings.Cut(rest, " ")
			names = append(names, name)
		}
	}
	return names
}

// restoreViews makes the views of the migrations that the database has lost. They hold no rows.
func restoreViews(ctx context.Context, conn driver.Conn, all []Migration) error {
	for _, m := range all {
		for _, s := range m.Statements {
			if !strings.Contains("\n"+s, "\n"+makesView) {
				continue
			}
			if err := conn.Exec(ctx, s); err != nil {
				return fmt.Errorf("restore a view of migration %d (%s): %w", m.Version, m.Name, err)
			}
		}
	}
	return nil
}

// Missing names the tables of the migrations that the database does not have.
func Missing(ctx context.Context, conn driver.Conn, all []Migration) ([]string, error) {
	var has []string
	if err := conn.QueryRow(ctx, "SELECT groupArray(name) FROM system.tables WHERE database = currentDatabase()").Scan(&has); err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	var missing []string
	for _, m := range all {
		for _, name := range m.tables() {
			if !slices.Contains(has, name) {
				missing = append(missing, "table "+name)
			}
		}
	}
	return missing, nil
}

// Version returns the newest migration that the database has; 0 for none.
func Version(ctx context.Context, conn clickhouse.Conn) (int, error) {
	var v uint32
	if err := conn.QueryRow(ctx, "SELECT max(version) FROM schema_migrations").Scan(&v); err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return int(v), nil
}
