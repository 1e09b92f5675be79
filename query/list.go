package query

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/schema"
)

// A rollup that knows only some of a filter's conditions counts too many: a listing looks first at the hours where it names
// guess times what is wanted, which is enough for all but rare entries, and then at all others.
const (
	guess  = 64
	beyond = 1 << 40
)

// List is one page of l. An error is ErrInvalid naming a field, ErrUnavailable, or ErrTimeout.
func (s *Store) List(ctx context.Context, l Listing) (page Page, err error) {
	defer s.metrics.observe("list", time.Now(), &err)
	if err := l.validate(); err != nil {
		return Page{}, err
	}
	seal, err := s.sealer(ctx)
	if err != nil {
		return Page{}, err
	}
	after, stored, err := s.begin(ctx, l, seal)
	if err != nil {
		return Page{}, err
	}
	if l.Filter, err = s.visible(ctx, l.Filter); err != nil {
		return Page{}, err
	}
	entries, err := s.page(ctx, l, after, stored)
	if err != nil {
		return Page{}, err
	}
	page.Entries = entries
	if len(entries) > l.Limit {
		page.Entries = entries[:l.Limit]
		last := key{entries[l.Limit-1].Timestamp, entries[l.Limit-1].ID}
		page.Next = seal.seal(bookmark{last, stored}, l, time.Now())
		s.mark(l, last)
	}
	return page, nil
}

// begin is where l's page begins, nil for the first one, and up to where a snapshot goes.
func (s *Store) begin(ctx context.Context, l Listing, seal sealer) (after *key, stored schema.Position, err error) {
	if l.Cursor != "" {
		m, err := seal.open(l, time.Now())
		return &m.key, m.stored, err
	}
	if l.Snapshot {
		stored, err = s.storedUpTo(ctx)
	}
	return nil, stored, err
}

// deep is the offset from which on a listing that no rollup counts goes on from where an earlier page of it ended, if that was
// lately: OFFSET reads and throws away all that lies before, 170 to 750 ms in the middle of 25 M entries.
const deep = 1000

// mark remembers where l's page ended, for the page at the next offset.
func (s *Store) mark(l Listing, last key) {
	_, exact := l.Filter.rollup()
	if next := l.Offset + int64(l.Limit); !exact && l.Cursor == "" && !l.Snapshot && next >= deep {
		s.marks.keep(l.at(next), last, time.Now())
	}
}

// marked is where the page before l's offset ended, if that is remembered.
func (s *Store) marked(l Listing) (key, bool) {
	if l.Offset < deep {
		return key{}, false
	}
	return s.marks.recall(l.at(l.Offset))
}

// at names an offset of a listing.
func (l Listing) at(offset int64) string {
	return fmt.Sprintf("%s/%s/%d", l.Filter.canonical(), l.Order.sql(), offset)
}

// narrow gives l's filter the bound that the cursor's key implies.
func (l Listing) narrow(after *key) Filter {
	f := l.Filter
	switch {
	case after == nil:
	case l.Order == OldestFirst:
		f.Start = max(f.Start, after.timestamp)
	case f.End == 0 || f.End > after.timestamp:
		f.End = after.timestamp
	}
	return f
}

// page reads l.Limit + 1 entries, or as many as there are; of a snapshot, those up to stored.
func (s *Store) page(ctx context.Context, l Listing, after *key, stored schema.Position) ([]schema.Entry, error) {
	_, exact := l.Filter.rollup()
	if k, ok := s.marked(l); ok && !exact {
		after, l.Offset = &k, 0
	}
	rd := reader{store: s, listing: l, filter: l.narrow(after), after: after, stored: stored, skip: l.Offset, aim: l.Limit + 1}
	switch {
	case exact:
	case l.Offset > 0:
		// Nothing says how many entries of an hour are to be passed over: one query has to go through them.
		err := rd.add(ctx, span{received: l.Filter.floor})
		return rd.entries, err
	case l.Filter.RequestID != "":
		rd.factor = beyond // its index leads to the few entries that there are
	default:
		rd.factor = guess
	}
	return rd.all(ctx)
}

// reader gathers the entries of one page.
type reader struct {
	store   *Store
	listing Listing
	filter  Filter // the listing's, narrowed to what is still to be read
	after   *key
	stored  schema.Position // of a snapshot, what it is bound to
	skip    int64           // entries still to be passed over
	aim     int             // entries wanted
	factor  int64           // how many times as many the rollup should name; 0: it is exact
	entries []schema.Entry
}

// all reads the hours that the rollup names until the page is full.
func (rd *reader) all(ctx context.Context) ([]schema.Entry, error) {
	for {
		w, err := rd.walk(ctx)
		if err != nil || len(w.hours) == 0 {
			return rd.entries, err
		}
		if err := rd.read(ctx, w); err != nil || len(rd.entries) == rd.aim || w.last {
			return rd.entries, err
		}
		rd.resume(w.edge)
	}
}

// walk looks up the hours that are still to be read.
func (rd *reader) walk(ctx context.Context) (*walk, error) {
	r, _ := rd.filter.rollup()
	lookUp := rd.store.hours
	if r.kind == "" && rd.listing.Order == NewestFirst && rd.skip == 0 {
		lookUp = rd.store.hoursLately
	}
	hours, err := lookUp(ctx, rd.filter, rd.listing.Order)
	if err != nil {
		return nil, err
	}
	w := &walk{order: rd.listing.Order, named: r.kind != "", hours: hours, last: len(hours) < maxHours}
	w.partial = len(hours) > 0 && rd.cuts(hours[0])
	return w, nil
}

// cuts says whether the filter holds only a part of the listing's first hour.
func (rd *reader) cuts(h hour) bool {
	f := rd.filter
	if rd.listing.Order == OldestFirst {
		return f.Start > h.at
	}
	return f.End != 0 && f.End < h.at+hourMs-1
}

// resume narrows the filter to what lies beyond edge, Unix ms, in the listing's order.
func (rd *reader) resume(edge int64) {
	if rd.listing.Order == OldestFirst {
		rd.filter.Start = edge
	} else {
		rd.filter.End = edge - 1
	}
}

// read goes through w until the page is full or w has no more hours.
func (rd *reader) read(ctx context.Context, w *walk) error {
	if err := rd.pass(ctx, w); err != nil {
		return err
	}
	for len(w.hours) > 0 && len(rd.entries) < rd.aim {
		if err := rd.add(ctx, w.next(rd.wanted(), rd.filter.floor)); err != nil {
			return err
		}
		rd.factor = min(rd.factor*beyond, beyond)
	}
	return nil
}

// wanted is how many entries the rollup should name for the next span.
func (rd *reader) wanted() int64 {
	missing := rd.skip + int64(rd.aim-len(rd.entries))
	if rd.factor == 0 {
		return missing
	}
	return missing * rd.factor
}

// pass leaves out the whole hours at the front that an exact rollup says are filled by entries to be passed over.
func (rd *reader) pass(ctx context.Context, w *walk) error {
	if rd.skip == 0 || rd.factor != 0 || len(w.hours) == 0 {
		return nil
	}
	if w.partial {
		f := rd.filter
		f.Start, f.End = max(f.Start, w.hours[0].at), w.hours[0].at+hourMs-1
		if rd.filter.End != 0 {
			f.End = min(f.End, rd.filter.End)
		}
		n, err := rd.store.countEntries(ctx, f)
		if err != nil {
			return err
		}
		w.hours[0].entries, w.partial = int64(n), false
	}
	rd.skip = w.skip(rd.skip)
	return nil
}

// add reads one span.
func (rd *reader) add(ctx context.Context, sp span) error {
	q := rd.statement(sp)
	rows, err := rd.store.query(ctx, rd.filter.tenant, q)
	if err != nil {
		return fmt.Errorf("list entries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		r := rd.filter.row()
		if err := rows.Scan(r.dest(rd.listing.Fields)...); err != nil {
			return fmt.Errorf("read an entry: %w", err)
		}
		e, err := r.entry()
		if err != nil {
			return err
		}
		rd.entries = append(rd.entries, e)
		rd.skip = 0
	}
	return fault(ctx, rows.Err())
}

// statement is the query of one span.
func (rd *reader) statement(sp span) statement {
	c := rd.filter.entries(sp.received)
	sp.bound(c)
	if rd.listing.Snapshot {
		c.upTo(rd.stored)
	}
	order := rd.listing.Order
	if rd.after != nil {
		// With the filter's bound this is (timestamp, id) beyond the key; as a tuple it is 3.5 times slower.
		past := "(timestamp < %s OR id < {id:UInt64})"
		if order == OldestFirst {
			past = "(timestamp > %s OR id > {id:UInt64})"
		}
		c.AddTime(past, "after", rd.after.timestamp)
		c.Args = append(c.Args, clickhouse.Named("id", rd.after.id))
	}
	text := "SELECT " + rd.filter.columns(rd.listing.Fields) + " FROM activity" + c.Where() +
		fmt.Sprintf(" ORDER BY timestamp %[1]s, id %[1]s LIMIT %[2]d", order.sql(), rd.aim-len(rd.entries))
	if rd.skip > 0 {
		text += fmt.Sprintf(" OFFSET %d", rd.skip)
	}
	return statement{text, c.Args}
}
