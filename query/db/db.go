// Package db is the only way to the tables. It promises: a query of a tenant never sees a row of another tenant, because two independent
// filters separate them (the predicate of Clauses.OfTenant and a setting that Query adds); a query stays within its limits of time and
// memory and ends with its caller, in the engine too; and an error has a kind of package schema.
package db

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// MaxPage is the most entries that one page of a listing has.
const MaxPage = 1000

// Config limits what one query may use.
type Config struct {
	QueryTimeout time.Duration
	MaxMemory    int64 // bytes that one query may take in the engine
}

// Defaults returns the default limits.
func Defaults() Config { return Config{QueryTimeout: 10 * time.Second, MaxMemory: 1 << 30} }

// Validate returns everything that is wrong with c.
func (c Config) Validate() error {
	var all []error
	if c.QueryTimeout <= 0 {
		all = append(all, errors.New("the query timeout must be above 0"))
	}
	if c.MaxMemory < 16<<20 {
		all = append(all, errors.New("a query needs 16 MiB of memory or more"))
	}
	return errors.Join(all...)
}

// DB reads and writes the tables. It may be used by many goroutines at once.
type DB struct {
	cfg  Config
	conn driver.Conn
}

// New makes a DB over a connection, which need not work yet.
func New(cfg Config, conn driver.Conn) *DB { return &DB{cfg, conn} }

// Query runs q for tenant under the limits of a reader.
func (d *DB) Query(ctx context.Context, tenant string, q Statement) (driver.Rows, error) {
	if tenant == "" {
		return nil, fmt.Errorf("%w: a query needs a tenant", schema.ErrUnauthenticated)
	}
	settings := d.limits()
	settings["additional_table_filters"] = filterOf(tenant)
	if q.MaxBytes > 0 {
		settings["max_result_bytes"] = q.MaxBytes
	}
	return d.query(ctx, q, settings)
}

// QueryWithoutTenant runs a query of the service itself under the limits of a reader. No caller may see its rows.
func (d *DB) QueryWithoutTenant(ctx context.Context, q Statement) (driver.Rows, error) {
	return d.query(ctx, q, d.limits())
}

func (d *DB) query(ctx context.Context, q Statement, settings clickhouse.Settings) (driver.Rows, error) {
	settings["max_execution_time"] = d.left(ctx).Seconds()
	rows, err := d.conn.Query(clickhouse.Context(timeless{ctx}, clickhouse.WithSettings(settings)), q.Text, q.Args...)
	if err != nil {
		return nil, Fault(ctx, err)
	}
	return rows, nil
}

// left returns how long a query may take now: the time of one query, or the time until the deadline of ctx if that is shorter.
func (d *DB) left(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return d.cfg.QueryTimeout
	}
	return max(time.Millisecond, min(time.Until(end), d.cfg.QueryTimeout)) // 0 would be no limit
}

// timeless is a context that ends with another one but hides its deadline. From a deadline the client would set the engine's time limit, 5
// s later than the deadline, in place of the one in the settings.
type timeless struct{ context.Context }

func (timeless) Deadline() (time.Time, bool) { return time.Time{}, false }

// One runs a query of one row for tenant and reads the row into dest. It returns ErrNotFound when there is no row.
func (d *DB) One(ctx context.Context, tenant string, q Statement, dest ...any) error {
	rows, err := d.Query(ctx, tenant, q)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return Fault(ctx, err)
		}
		return schema.ErrNotFound
	}
	if err := rows.Scan(dest...); err != nil {
		return fmt.Errorf("read a row: %w", err)
	}
	return Fault(ctx, rows.Err())
}

// OneWithoutTenant runs a query of the service itself that has one row, and reads the row into dest.
func (d *DB) OneWithoutTenant(ctx context.Context, q Statement, dest ...any) error {
	return Fault(ctx, d.conn.QueryRow(ctx, q.Text, q.Args...).Scan(dest...))
}

// Exec runs a statement that writes.
func (d *DB) Exec(ctx context.Context, q Statement) error {
	return Fault(ctx, d.conn.Exec(ctx, q.Text, q.Args...))
}

// Fold fills the column folded of entries that an older version wrote, and returns their number.
func (d *DB) Fold(ctx context.Context) (int, error) {
	n, err := tables.Fold(ctx, d.conn, tables.Clauses{})
	return n, Fault(ctx, err)
}

// WithTimeout bounds ctx by the time that one query may take. All queries of one answer share it.
func (d *DB) WithTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d.cfg.QueryTimeout)
}

// Ready returns nil when reads and deletes can be answered. Otherwise it says that ClickHouse is unavailable, or which tables are missing.
func (d *DB) Ready(ctx context.Context) error {
	missing, err := d.missing(ctx)
	if err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: clickhouse: missing: %s: run activityctl migrate", schema.ErrUnavailable, strings.Join(missing, ", "))
	}
	return nil
}

// Complete returns nil if no table is missing. Its text is written for callers.
func (d *DB) Complete(ctx context.Context) error {
	missing, err := d.missing(ctx)
	if err == nil && len(missing) > 0 {
		err = &schema.Refusal{Kind: schema.ErrUnavailable, Issue: "tables are missing in ClickHouse: /readyz names them"}
	}
	return err
}

func (d *DB) missing(ctx context.Context) ([]string, error) {
	all, err := tables.Migrations()
	if err != nil {
		return nil, err
	}
	missing, err := tables.Missing(ctx, d.conn, all)
	return missing, Fault(ctx, err)
}

// limits returns the settings of every query of a reader.
func (d *DB) limits() clickhouse.Settings {
	return clickhouse.Settings{
		"readonly":         1,
		"max_memory_usage": d.cfg.MaxMemory,
		// Planning would load the statistics of every part: 57 of 73 ms of a small query over 20 parts.
		"use_statistics": 0,
		// ORDER BY … DESC LIMIT on DateTime64 sometimes fails with code 407 in its filter.
		"use_top_k_dynamic_filtering": 0,
		// Wide columns are read for the rows of the page alone.
		"query_plan_max_limit_for_lazy_materialization": MaxPage + 1,
		// The word search is an OR with the request id, and both sides have an index.
		"use_skip_indexes_for_disjunctions": 1,
	}
}
