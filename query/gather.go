package query

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/schema"
)

// A rollup that has only some conditions of a filter counts too many entries. So a listing first reads hours whose rollup count reaches
// firstFactor × the page. If too few entries match, it reads the other hours that it has looked up, and then everything beyond them, with
// one query each: four queries in all, however many hours there are.
const (
	guess  = 64
	beyond = 1 << 40
)

// firstFactor times the number of missing entries is the rollup count that the first span should reach.
func (l Listing) firstFactor() int64 {
	_, exact := l.Filter.rollup()
	switch {
	case exact:
		return 1
	case l.Filter.RequestID != "":
		return beyond // its index finds the few entries directly
	}
	return guess
}

// gatherer gathers the entries of one page.
type gatherer struct {
	db       *db.DB
	hours    *hourIndex
	listing  Listing
	filter   Filter // the listing's, narrowed to what has not been read
	after    *Key
	snapshot schema.Position // the last offsets of a snapshot
	skip     int64           // entries left to skip
	aim      int             // entries wanted
	exact    bool            // the rollup counts the entries of the filter and no others
	factor   int64           // factor between wanted entries and the rollup's count
	entries  []schema.Entry
	bytes    int  // of their text
	early    bool // the next entry does not fit
	large    bool // the entries have so much text that a query reads only a few
}

// The client receives a whole result before it returns the first entry: a page of 1,000 entries of 190 kB would take a GB of memory, of
// which 8 MiB are kept. So a query whose result exceeds resultBytes fails, and is repeated for so few entries that even the largest fit.
const (
	resultBytes = 2 * PageBytes
	fewEntries  = resultBytes / schema.MaxRecordBytes
)

// rows is how many entries the next query returns at most.
func (g *gatherer) rows() int {
	missing, n := g.aim-len(g.entries), len(g.entries)
	if !g.large {
		return missing
	}
	if n == 0 {
		return min(missing, fewEntries)
	}
	return min(missing, max(fewEntries, PageBytes/(g.bytes/n+1)))
}

// refused returns the error for a page that must be whole and is not.
func (g *gatherer) refused() error {
	if !g.early || !g.listing.Whole {
		return nil
	}
	const issue = "is too high for entries with so much text: must be %d or less here, where they fill %d MiB"
	return &schema.FieldError{Field: "limit", Code: "TOO_LARGE", Issue: fmt.Sprintf(issue, len(g.entries), WholePageBytes>>20)}
}

// all reads the hours that the rollup names until the page is full.
func (g *gatherer) all(ctx context.Context) error {
	for {
		w, err := g.walk(ctx)
		if err != nil || len(w.hours) == 0 {
			return err
		}
		if err := g.read(ctx, w); err != nil || g.full() || w.last || !g.resume(w.edge) {
			return err
		}
		if !g.exact {
			return g.add(ctx, span{received: g.filter.since.Day})
		}
	}
}

// full reports whether the page takes no more entries.
func (g *gatherer) full() bool { return g.early || len(g.entries) == g.aim }

// walk looks up the hours that have not been read.
func (g *gatherer) walk(ctx context.Context) (*walk, error) {
	r, _ := g.filter.rollup()
	lookUp := g.hours.lookUp
	if !r.byEntity() && g.listing.Order == NewestFirst && g.skip == 0 {
		lookUp = g.hours.lookUpRecent
	}
	hours, err := lookUp(ctx, g.filter, g.listing.Order)
	if err != nil {
		return nil, err
	}
	w := &walk{order: g.listing.Order, named: r.byEntity(), hours: hours, last: len(hours) < maxHours}
	w.partial = len(hours) > 0 && g.cuts(hours[0])
	return w, nil
}

// cuts reports whether the filter has only a part of the listing's first hour.
func (g *gatherer) cuts(h hour) bool {
	f := g.filter
	if g.listing.Order == OldestFirst {
		return f.Start > h.at
	}
	return f.End != 0 && f.End < h.at+hourMs-1
}

// resume narrows the filter to times beyond edge, Unix ms, in the listing's order. It returns false if there are none: nothing lies before
// schema.MinTimestamp, and an end of 0 would mean no end.
func (g *gatherer) resume(edge int64) bool {
	if g.listing.Order == OldestFirst {
		g.filter.Start = edge
		return true
	}
	g.filter.End = edge - 1
	return g.filter.End >= schema.MinTimestamp
}

// read reads the spans of w until the page is full or w has no more hours.
func (g *gatherer) read(ctx context.Context, w *walk) error {
	if err := g.skipHours(ctx, w); err != nil {
		return err
	}
	for len(w.hours) > 0 && !g.full() {
		if err := g.add(ctx, w.next(g.wanted(), g.filter.since.Day)); err != nil {
			return err
		}
		g.widen()
	}
	return nil
}

// widen makes the next span larger after one that was too small: all the rest, or several times as much if the rollup was expected to be
// exact but is not, because entries are being erased.
func (g *gatherer) widen() {
	if g.exact {
		g.factor = min(g.factor*guess, beyond)
	} else {
		g.factor = beyond
	}
}

// wanted is how many entries the rollup should count for the next span.
func (g *gatherer) wanted() int64 {
	missing := int64(g.aim - len(g.entries))
	if g.skip > math.MaxInt64-missing {
		return math.MaxInt64
	}
	if missing += g.skip; missing > math.MaxInt64/g.factor {
		return math.MaxInt64
	}
	return missing * g.factor
}

// skipHours removes the whole hours at the front that, by an exact rollup, only have entries to skip.
func (g *gatherer) skipHours(ctx context.Context, w *walk) error {
	if g.skip == 0 || !g.exact || len(w.hours) == 0 {
		return nil
	}
	if w.partial {
		f := g.filter
		f.Start, f.End = max(f.Start, w.hours[0].at), w.hours[0].at+hourMs-1
		if g.filter.End != 0 {
			f.End = min(f.End, g.filter.End)
		}
		n, err := count(ctx, g.db, f, countEntries(f))
		if err != nil {
			return err
		}
		w.hours[0].entries, w.partial = int64(n), false
	}
	g.skip = w.skip(g.skip)
	return nil
}

// add reads one span.
func (g *gatherer) add(ctx context.Context, sp span) error {
	for {
		n, rows := len(g.entries), g.rows()
		err := g.query(ctx, sp)
		again := errors.Is(err, db.ErrTooMuch) && !g.large
		got := len(g.entries) - n
		if g.large = g.large || again; !again && (err != nil || g.full() || got < rows) {
			return err
		}
		if got > 0 {
			g.moveOn()
		}
	}
}

// moveOn makes the next query begin after the last entry.
func (g *gatherer) moveOn() {
	last := g.entries[len(g.entries)-1]
	g.after = &Key{last.Timestamp, last.ID}
	g.filter = g.filter.beyond(g.after, g.listing.Order)
}

// query reads the first entries of a span.
func (g *gatherer) query(ctx context.Context, sp span) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends a query of which enough has been read
	rows, err := g.db.Query(ctx, g.filter.tenant, g.statement(sp))
	if err != nil {
		return fmt.Errorf("list entries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		r := g.filter.row()
		if err := rows.Scan(r.dest(g.listing.Fields)...); err != nil {
			return fmt.Errorf("read an entry: %w", err)
		}
		g.bytes += r.size()
		if n := len(g.entries); g.bytes > g.listing.maxBytes() && n > 0 && n < g.listing.Limit {
			g.early = true
			cancel()
			return nil
		}
		e, err := r.entry()
		if err != nil {
			return err
		}
		g.entries = append(g.entries, e)
		g.skip = 0
	}
	return db.Fault(ctx, rows.Err())
}

// statement returns the query of one span.
func (g *gatherer) statement(sp span) db.Statement {
	c := g.filter.entries(sp.received)
	sp.bound(c)
	if g.listing.Snapshot {
		stored.Bound(c, g.snapshot)
	}
	order := g.listing.Order
	if g.after != nil {
		// Together with the filter's bound this means (timestamp, id) beyond the key; as a tuple it is 3.5 times slower.
		past := "(timestamp < %s OR id < {id:UInt64})"
		if order == OldestFirst {
			past = "(timestamp > %s OR id > {id:UInt64})"
		}
		c.AddTime(past, "after", g.after.Timestamp)
		c.Args = append(c.Args, clickhouse.Named("id", g.after.ID))
	}
	text := "SELECT " + g.filter.columns(g.listing.Fields) + " FROM activity" + c.Where() +
		fmt.Sprintf(" ORDER BY timestamp %[1]s, id %[1]s LIMIT %[2]d", order.sql(), g.rows())
	if g.skip > 0 {
		text += fmt.Sprintf(" OFFSET %d", g.skip)
	}
	q := db.Statement{Text: text, Args: c.Args}
	if !g.large {
		q.MaxBytes = resultBytes
	}
	return q
}
