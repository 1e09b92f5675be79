package query

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Count is exactly how many entries f means. An error is ErrInvalid naming a field, ErrUnavailable, or ErrTimeout.
func (s *Store) Count(ctx context.Context, f Filter) (n uint64, err error) {
	defer s.metrics.observe("count", time.Now(), &err)
	if err := f.Validate(); err != nil {
		return 0, err
	}
	return s.countVisible(ctx, f)
}

func (s *Store) countVisible(ctx context.Context, f Filter) (n uint64, err error) {
	if f, err = s.visible(ctx, f); err != nil {
		return 0, err
	}
	return s.count(ctx, f, countOf(f, f.floor))
}

// countEntries counts the entries themselves, for windows that are small.
func (s *Store) countEntries(ctx context.Context, f Filter) (uint64, error) {
	c := f.entries(f.floor)
	return s.count(ctx, f, statement{"SELECT count() FROM activity" + c.Where(), c.Args})
}

func (s *Store) count(ctx context.Context, f Filter, q statement) (n uint64, err error) {
	if err := s.one(ctx, f.tenant, q, &n); err != nil {
		return 0, fmt.Errorf("count entries: %w", err)
	}
	return n, nil
}

// countOf counts from a rollup what it holds: whole hours. The rest, the edges of the time window or a filter that no rollup
// knows, it counts from the entries.
func countOf(f Filter, floor string) statement {
	if _, exact := f.rollup(); !exact {
		return countWithin(f, floor)
	}
	first, end := hourOf(f.Start+hourMs-1), hourOf(f.End+1) // the whole hours are those in [first, end)
	if f.End != 0 && end <= first {
		c := f.entries(floor)
		return statement{"SELECT count() FROM activity" + c.Where(), c.Args}
	}
	table, c := f.counts(floor)
	c.addHour("hour >= %s", "first_hour", first)
	c.addHour("hour < %s", "end_hour", end)
	edges, args := f.edges(first, end, floor)
	if edges == "" {
		return statement{"SELECT toUInt64(greatest(sum(n), 0)) FROM " + table + c.Where(), c.Args}
	}
	return statement{
		"SELECT toUInt64(greatest(sum(part), 0)) FROM (SELECT sum(n) AS part FROM " + table + c.Where() + " UNION ALL " + edges + ")",
		merge(c.Args, args),
	}
}

// edges counts the entries of f outside the whole hours [first, end); empty when the window begins and ends on the hour.
func (f Filter) edges(first, end int64, floor string) (string, []any) {
	c := f.outside(first, end, floor)
	if c == nil {
		return "", nil
	}
	return "SELECT toInt64(count()) AS part FROM activity" + c.Where(), c.Args
}

// outside are the conditions on the entries of f outside the whole hours [first, end); nil when there are none to be looked for.
func (f Filter) outside(first, end int64, floor string) *clauses {
	c := f.entries(floor)
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

// countWithin counts the entries in the hours that the rollup names.
func countWithin(f Filter, floor string) statement {
	table, hours := f.counts(floor)
	hours.addHour("hour >= %s", "first_hour", hourOf(f.Start))
	hours.addHour("hour <= %s", "last_hour", hourOf(f.End))
	c := f.entries(floor)
	c.Conds = append(c.Conds, within(table, hours))
	return statement{"SELECT count() FROM activity" + c.Where(), merge(c.Args, hours.Args)}
}

// merge joins parameters; of those with one name, which have one value, the first stays.
func merge(lists ...[]any) []any {
	seen := map[string]bool{}
	var out []any
	for _, list := range lists {
		for _, a := range list {
			if name := nameOf(a); !seen[name] {
				seen[name] = true
				out = append(out, a)
			}
		}
	}
	return out
}
