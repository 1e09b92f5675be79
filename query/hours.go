package query

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/internal/recent"
)

// maxHours bounds the hours that one query of a rollup returns; a listing that needs more asks again.
const maxHours = 1000

// maxNamedHours bounds the hours that a query names one by one; of more hours it names only the range.
const maxNamedHours = 400

// hour is one hour of timestamps with its counts, from a rollup.
type hour struct {
	at       int64 // Unix ms of its beginning
	entries  int64
	received time.Time // the first day on which one of them was received
}

// hoursOf reads the hours that have entries from the rollup that covers f.
func hoursOf(f Filter, order Order) db.Statement {
	table, c := f.countsInHours()
	return db.Statement{
		Text: "SELECT hour, sum(n) AS entries, min(received) FROM " + table + c.Where() +
			" GROUP BY hour HAVING entries > 0 ORDER BY hour " + order.sql() + fmt.Sprintf(" LIMIT %d", maxHours),
		Args: c.Args,
	}
}

// hourIndex looks up the hours that have entries of a filter.
type hourIndex struct {
	db     *db.DB
	recent *recent.Cache[[]hour]
}

func newHourIndex(d *db.DB) *hourIndex {
	return &hourIndex{d, recent.New[[]hour](time.Second, 1000)}
}

func (x *hourIndex) lookUp(ctx context.Context, f Filter, order Order) ([]hour, error) {
	return x.query(ctx, f, hoursOf(f, order))
}

func (x *hourIndex) query(ctx context.Context, f Filter, q db.Statement) ([]hour, error) {
	rows, err := x.db.Query(ctx, f.tenant, q)
	if err != nil {
		return nil, fmt.Errorf("look up hours: %w", err)
	}
	defer rows.Close()
	var hours []hour
	for rows.Next() {
		var h hour
		var at time.Time
		if err := rows.Scan(&at, &h.entries, &h.received); err != nil {
			return nil, fmt.Errorf("read an hour: %w", err)
		}
		h.at = at.UnixMilli()
		hours = append(hours, h)
	}
	return hours, db.Fault(ctx, rows.Err())
}

// lookUpRecent returns an answer of lookUp that is less than a second old. That is enough for a newest-first page by kind: its window is
// open towards now, and it reads further hours if the first ones have fewer entries than before.
func (x *hourIndex) lookUpRecent(ctx context.Context, f Filter, order Order) ([]hour, error) {
	q := hoursOf(f, order)
	name := fmt.Sprint(q.Args)
	if hours, ok := x.recent.Get(name); ok {
		return slices.Clone(hours), nil
	}
	asked := time.Now()
	hours, err := x.query(ctx, f, q)
	if err == nil && len(hours) > 0 {
		x.recent.Put(name, hours, asked)
	}
	return hours, err
}

func (x *hourIndex) forget() { x.recent.Forget() }

// span is the part of a listing that one query reads: a window of time, or only some hours of it.
type span struct {
	from, to int64    // Unix ms, from inclusive, to exclusive; 0 is no bound
	hours    []uint32 // Unix s; nil means all of the window
	received string   // the first day of receipt
}

// bound adds the window to the conditions, which have the filter's own bounds already.
func (w span) bound(c *db.Clauses) {
	c.AddTime("timestamp >= %s", "from", w.from)
	c.AddTime("timestamp < %s", "to", w.to)
	if w.hours != nil {
		c.Add("toStartOfHour(timestamp) IN {hours:Array(DateTime('UTC'))}", "hours", w.hours)
	}
}

// walk goes through the hours of a listing in its order, one span at a time.
type walk struct {
	order   Order
	named   bool   // only a few of many hours have entries: name them
	hours   []hour // not read yet
	last    bool   // the rollup names no hour after these
	edge    int64  // where the span before ended; 0 before the first
	partial bool   // only a part of the first hour is in the filter
}

// skip drops whole hours off the front while the n entries to skip fill them. It returns how many of n are left to skip.
func (w *walk) skip(n int64) int64 {
	for len(w.hours) > 0 && n >= w.hours[0].entries && !w.partial {
		n -= w.hours[0].entries
		w.drop(1)
	}
	return n
}

// drop removes the first n hours.
func (w *walk) drop(n int) {
	end := w.hours[n-1].at
	if w.order == OldestFirst {
		end += hourMs
	}
	w.edge, w.hours, w.partial = end, w.hours[n:], false
}

// next returns the span of the first hours that have at least aim entries together.
func (w *walk) next(aim int64, since string) span {
	n, sum := 0, int64(0)
	for n < len(w.hours) && sum < aim {
		if n > 0 || !w.partial {
			sum += w.hours[n].entries
		}
		n++
	}
	picked, sp := w.hours[:n], span{received: since}
	if first := firstReceived(picked).Format(time.DateOnly); first > since {
		sp.received = first
	}
	before := w.edge
	w.drop(n)
	after := w.edge
	if len(w.hours) == 0 && w.last {
		after = 0 // everything beyond belongs to the listing
	}
	sp.from, sp.to = after, before
	if w.order == OldestFirst {
		sp.from, sp.to = before, after
	}
	if w.named {
		sp.hours = names(picked)
	}
	return sp
}

func firstReceived(hours []hour) time.Time {
	first := hours[0].received
	for _, h := range hours {
		if h.received.Before(first) {
			first = h.received
		}
	}
	return first
}

// names returns the hours as Unix seconds; nil if their range means the same, or if there are too many to name.
func names(hours []hour) []uint32 {
	width := hours[0].at - hours[len(hours)-1].at
	if max(width, -width) == int64(len(hours)-1)*hourMs || len(hours) > maxNamedHours {
		return nil
	}
	out := make([]uint32, len(hours))
	for i, h := range hours {
		out[i] = uint32(h.at / 1000)
	}
	return out
}
