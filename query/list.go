package query

import (
	"context"
	"fmt"
	"time"

	"github.com/activitylog/activitylog/query/internal/recent"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/schema"
)

// List returns one page of l. An error is ErrInvalid naming a field, ErrUnavailable, or ErrTimeout.
func (r *Reader) List(ctx context.Context, l Listing) (page Page, err error) {
	defer r.requests.Observe("list", time.Now(), &err)
	if err := l.validate(); err != nil {
		return Page{}, err
	}
	ctx, cancel := r.db.WithTimeout(ctx) // of all its queries together
	defer cancel()
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
	entries, more, err := r.page(ctx, l, after, snapshot)
	if err != nil {
		return Page{}, err
	}
	if page.Entries = entries; more {
		end := entries[len(entries)-1]
		last := Key{end.Timestamp, end.ID}
		page.Next = seal.seal(bookmark{last, snapshot}, l, time.Now())
		r.hints.put(l, len(entries), last)
	}
	return page, nil
}

// begin is where l's page begins, nil for the beginning of the listing, and the last stored offsets of a snapshot.
func (l Listing) begin(ctx context.Context, s *stored.Progress, seal sealer) (after *Key, snapshot schema.Position, err error) {
	if l.Cursor != "" {
		m, err := seal.open(l, time.Now())
		return &m.Key, m.stored, err
	}
	if l.Snapshot {
		snapshot, err = s.UpTo(ctx)
	}
	return l.Beyond, snapshot, err
}

// deep is the offset from which a listing that no rollup counts uses a page hint: the end of an earlier page that was read in the last
// minute. OFFSET would read and drop all entries before the page: 170 to 750 ms in the middle of 25 M entries.
const deep = 1000

// pageHints remembers where pages ended that were asked for by offset.
type pageHints struct{ recent *recent.Cache[Key] }

func newPageHints() *pageHints { return &pageHints{recent.New[Key](time.Minute, 10_000)} }

// put remembers where l's page of n entries ended, for the page at the next offset.
func (h *pageHints) put(l Listing, n int, last Key) {
	_, exact := l.Filter.rollup()
	if next := l.Offset + int64(n); !exact && l.Cursor == "" && l.Beyond == nil && !l.Snapshot && next >= deep {
		h.recent.Put(l.at(next), last, time.Now())
	}
}

// get returns where the page before l's offset ended, if that is remembered.
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

// narrow adds to l's filter the bound that follows from the last key of the page before.
func (l Listing) narrow(after *Key) Filter {
	if after == nil {
		return l.Filter
	}
	return l.Filter.beyond(after, l.Order)
}

// beyond returns f with the bound that follows from the key of the last entry before.
func (f Filter) beyond(after *Key, order Order) Filter {
	switch {
	case order == OldestFirst:
		f.Start = max(f.Start, after.Timestamp)
	case f.End == 0 || f.End > after.Timestamp:
		f.End = after.Timestamp
	}
	return f
}

// page reads l.Limit entries, or as many as there are or fit in a page, and reports whether there are more; of a snapshot, those up
// to its offsets.
func (r *Reader) page(ctx context.Context, l Listing, after *Key, snapshot schema.Position) (entries []schema.Entry, more bool, err error) {
	_, exact := l.Filter.rollup()
	if k, ok := r.hints.get(l); ok && !exact {
		after, l.Offset = &k, 0
	}
	g := gatherer{
		db: r.db, hours: r.hours, listing: l, filter: l.narrow(after), after: after, snapshot: snapshot, skip: l.Offset, aim: l.Limit + 1,
		exact: exact, factor: l.firstFactor(),
	}
	if !exact && l.Offset > 0 {
		// No rollup tells how many entries of an hour to skip: one query has to go through them.
		err = g.add(ctx, span{received: l.Filter.since.Day})
	} else {
		err = g.all(ctx)
	}
	if err != nil {
		return nil, false, err
	}
	if len(g.entries) > l.Limit {
		return g.entries[:l.Limit], true, nil
	}
	return g.entries, g.early, g.refused()
}
