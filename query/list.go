package query

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/internal/recent"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/schema"
)

// A rollup that has only some conditions of a filter counts too many entries. So a listing first reads hours whose rollup
// count reaches guess × the page; if too few entries match, it reads the rest.
const (
	guess  = 64
	beyond = 1 << 40
)

// List is one page of l. An error is ErrInvalid naming a field, ErrUnavailable, or ErrTimeout.
func (r *Reader) List(ctx context.Context, l Listing) (page Page, err error) {
	defer r.requests.Observe("list", time.Now(), &err)
	if err := l.validate(); err != nil {
		return Page{}, err
	}
	seal, err := r.cursors.sealer(ctx)
	if err != nil {
		return Page{}, err
	}
	after, snapshot, err := l.begin(ctx, r.stored, seal)
	if err != nil {
		return Page{}, err
	}
	if l.Filter, err = l.Filter.visible(ctx, r.visible); err != nil {
		return Page{}, err
	}
	entries, err := r.page(ctx, l, after, snapshot)
	if err != nil {
		return Page{}, err
	}
	page.Entries = entries
	if len(entries) > l.Limit {
		page.Entries = entries[:l.Limit]
		last := Key{entries[l.Limit-1].Timestamp, entries[l.Limit-1].ID}
		page.Next = seal.seal(bookmark{last, snapshot}, l, time.Now())
		r.hints.put(l, last)
	}
	return page, nil
}

// begin is where l's page begins, nil for the first one, and the last stored offsets of a snapshot.
func (l Listing) begin(ctx context.Context, s *stored.Progress, seal sealer) (after *Key, snapshot schema.Position, err error) {
	if l.Cursor != "" {
		m, err := seal.open(l, time.Now())
		return &m.Key, m.stored, err
	}
	if l.Snapshot {
		snapshot, err = s.UpTo(ctx)
	}
	return nil, snapshot, err
}

// deep is the offset from which on a listing that no rollup counts begins at a page hint: where a page before it ended, if that
// was read in the last minute. OFFSET reads and throws away all that lies before, 170 to 750 ms in the middle of 25 M entries.
const deep = 1000

// pageHints remembers where pages ended that were asked for by offset.
type pageHints struct{ recent *recent.Cache[Key] }

func newPageHints() *pageHints { return &pageHints{recent.New[Key](time.Minute, 10_000)} }

// put remembers where l's page ended, for the page at the next offset.
func (h *pageHints) put(l Listing, last Key) {
	_, exact := l.Filter.rollup()
	if next := l.Offset + int64(l.Limit); !exact && l.Cursor == "" && !l.Snapshot && next >= deep {
		h.recent.Put(l.at(next), last, time.Now())
	}
}

// get is where the page before l's offset ended, if that is remembered.
func (h *pageHints) get(l Listing) (Key, bool) {
	if l.Offset < deep {
		return Key{}, false
	}
	return h.recent.Get(l.at(l.Offset))
}

// at names an offset of a listing.
func (l Listing) at(offset int64) string {
	return fmt.Sprintf("%s/%s/%d", l.Filter.canonical(), l.Order.sql(), offset)
}

// narrow gives l's filter the bound that the key of the page before implies.
func (l Listing) narrow(after *Key) Filter {
	f := l.Filter
	switch {
	case after == nil:
	case l.Order == OldestFirst:
		f.Start = max(f.Start, after.Timestamp)
	case f.End == 0 || f.End > after.Timestamp:
		f.End = after.Timestamp
	}
	return f
}

// page reads l.Limit + 1 entries, or as many as there are; of a snapshot, those up to its offsets.
func (r *Reader) page(ctx context.Context, l Listing, after *Key, snapshot schema.Position) ([]schema.Entry, error) {
	_, exact := l.Filter.rollup()
	if k, ok := r.hints.get(l); ok && !exact {
		after, l.Offset = &k, 0
	}
	g := gatherer{db: r.db, hours: r.hours, listing: l, filter: l.narrow(after), after: after, snapshot: snapshot, skip: l.Offset, aim: l.Limit + 1}
	switch {
	case exact:
	case l.Offset > 0:
		// No rollup tells how many entries of an hour to skip: one query has to go through them.
		err := g.add(ctx, span{received: l.Filter.since.Day})
		return g.entries, err
	case l.Filter.RequestID != "":
		g.factor = beyond // its index leads to the few entries that there are
	default:
		g.factor = guess
	}
	return g.all(ctx)
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
	factor   int64           // how many times as many the rollup should count; 0: it is exact
	entries  []schema.Entry
}

// all reads the hours that the rollup names until the page is full.
func (g *gatherer) all(ctx context.Context) ([]schema.Entry, error) {
	for {
		w, err := g.walk(ctx)
		if err != nil || len(w.hours) == 0 {
			return g.entries, err
		}
		if err := g.read(ctx, w); err != nil || len(g.entries) == g.aim || w.last {
			return g.entries, err
		}
		g.resume(w.edge)
	}
}

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

// resume narrows the filter to what lies beyond edge, Unix ms, in the listing's order.
func (g *gatherer) resume(edge int64) {
	if g.listing.Order == OldestFirst {
		g.filter.Start = edge
	} else {
		g.filter.End = edge - 1
	}
}

// read goes through w until the page is full or w has no more hours.
func (g *gatherer) read(ctx context.Context, w *walk) error {
	if err := g.skipHours(ctx, w); err != nil {
		return err
	}
	for len(w.hours) > 0 && len(g.entries) < g.aim {
		if err := g.add(ctx, w.next(g.wanted(), g.filter.since.Day)); err != nil {
			return err
		}
		g.factor = min(g.factor*beyond, beyond)
	}
	return nil
}

// wanted is how many entries the rollup should count for the next span.
func (g *gatherer) wanted() int64 {
	missing := g.skip + int64(g.aim-len(g.entries))
	if g.factor == 0 {
		return missing
	}
	return missing * g.factor
}

// skipHours removes the whole hours at the front that, by an exact rollup, only have entries to skip.
func (g *gatherer) skipHours(ctx context.Context, w *walk) error {
	if g.skip == 0 || g.factor != 0 || len(w.hours) == 0 {
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
		e, err := r.entry()
		if err != nil {
			return err
		}
		g.entries = append(g.entries, e)
		g.skip = 0
	}
	return db.Fault(ctx, rows.Err())
}

// statement is the query of one span.
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
		fmt.Sprintf(" ORDER BY timestamp %[1]s, id %[1]s LIMIT %[2]d", order.sql(), g.aim-len(g.entries))
	if g.skip > 0 {
		text += fmt.Sprintf(" OFFSET %d", g.skip)
	}
	return db.Statement{Text: text, Args: c.Args}
}
