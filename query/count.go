package query

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/query/db"
)

// Count returns the exact number of entries that match f. An error is ErrInvalid naming a field, ErrUnavailable, or ErrTimeout.
func (r *Reader) Count(ctx context.Context, f Filter) (n uint64, err error) {
	defer r.requests.Observe("count", time.Now(), &err)
	if err := f.Validate(); err != nil {
		return 0, err
	}
	return r.CountVisible(ctx, f)
}

// CountVisible is Count for a filter that is valid. The metrics of requests do not include it.
func (r *Reader) CountVisible(ctx context.Context, f Filter) (uint64, error) {
	f, err := f.visible(ctx, r.visible)
	if err != nil {
		return 0, err
	}
	return count(ctx, r.db, f, countOf(f))
}

// count runs a query of one number over the entries of f.
func count(ctx context.Context, d *db.DB, f Filter, q db.Statement) (n uint64, err error) {
	if err := d.One(ctx, f.tenant, q, &n); err != nil {
		return 0, fmt.Errorf("count entries: %w", err)
	}
	return n, nil
}

// countEntries counts the entries themselves, for windows that are small.
func countEntries(f Filter) db.Statement {
	c := f.entries(f.since.Day)
	return db.Statement{Text: "SELECT count() FROM activity" + c.Where(), Args: c.Args}
}

// countOf counts whole hours from a rollup, and the rest from the entries: the edges of the time window, or everything if no rollup covers
// the filter exactly.
func countOf(f Filter) db.Statement {
	if _, exact := f.rollup(); !exact {
		c := f.inHours()
		return db.Statement{Text: "SELECT count() FROM activity" + c.Where(), Args: c.Args}
	}
	first, end, ok := f.wholeHours()
	if !ok {
		return countEntries(f)
	}
	table, c := f.counts()
	c.AddHours(first, end)
	edges := f.outside(first, end)
	if edges == nil {
		return db.Statement{Text: "SELECT toUInt64(greatest(sum(n), 0)) FROM " + table + c.Where(), Args: c.Args}
	}
	return db.Statement{
		Text: "SELECT toUInt64(greatest(sum(part), 0)) FROM (SELECT sum(n) AS part FROM " + table + c.Where() +
			" UNION ALL SELECT toInt64(count()) AS part FROM activity" + edges.Where() + ")",
		Args: db.Merge(c.Args, edges.Args),
	}
}

// wholeHours returns the whole hours [first, end), Unix ms, of f's window; end is 0 if it has no end. ok is false if the window
// has no whole hour.
func (f Filter) wholeHours() (first, end int64, ok bool) {
	first, end = hourOf(f.Start+hourMs-1), hourOf(f.End+1)
	return first, end, f.End == 0 || end > first
}

// outside returns the conditions on the entries of f outside the whole hours [first, end); nil when there are no such times.
func (f Filter) outside(first, end int64) *db.Clauses {
	c := f.entries(f.since.Day)
	early, late := f.Start != first, f.End != 0 && end != f.End+1
	switch {
	case early && late:
		c.Add("(timestamp < fromUnixTimestamp64Milli({first:Int64}, 'UTC') OR timestamp >= fromUnixTimestamp64Milli({late:Int64}, 'UTC'))", "first", first)
		c.Args = append(c.Args, clickhouse.Named("late", end))
	case early:
		c.AddTime("timestamp < %s", "first", first)
	case late:
		c.AddTime("timestamp >= %s", "late", end)
	default:
		return nil
	}
	return c
}
