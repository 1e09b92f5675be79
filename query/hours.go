package query

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// maxHours bounds what one look into a rollup brings; a listing that needs older hours looks again.
const maxHours = 1000

// maxNamedHours bounds the hours that a query names one by one; beyond, their range alone has to do.
const maxNamedHours = 400

// hour is what a rollup knows of one hour of the entries' timestamps.
type hour struct {
	at       int64 // Unix ms of its beginning
	entries  int64
	received time.Time // the first day that one of them was received
}

// hoursOf asks the rollup that covers f in which hours entries lie.
func hoursOf(f Filter, order Order, floor string) statement {
	table, c := f.counts(floor)
	c.addHour("hour >= %s", "first_hour", hourOf(f.Start))
	c.addHour("hour <= %s", "last_hour", hourOf(f.End))
	return statement{
		"SELECT hour, sum(n) AS entries, min(received) FROM " + table + c.Where() +
			" GROUP BY hour HAVING entries > 0 ORDER BY hour " + order.sql() + fmt.Sprintf(" LIMIT %d", maxHours),
		c.Args,
	}
}

func (s *Store) hours(ctx context.Context, f Filter, order Order) ([]hour, error) {
	rows, err := s.query(ctx, f.tenant, hoursOf(f, order, f.floor))
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
	return hours, fault(ctx, rows.Err())
}

// hoursLately is hours, or what it was less than a second ago. That is enough for a newest-first page by kind: its window has
// no end towards now, and it goes on to the next hours when the first hold less than they did.
func (s *Store) hoursLately(ctx context.Context, f Filter, order Order) ([]hour, error) {
	name := fmt.Sprint(hoursOf(f, order, f.floor).args)
	if hours, ok := s.lately.recall(name); ok {
		return slices.Clone(hours), nil
	}
	at := time.Now()
	hours, err := s.hours(ctx, f, order)
	if err == nil && len(hours) > 0 {
		s.lately.keep(name, hours, at)
	}
	return hours, err
}

// span is a part of a listing that one query reads: a window of time, of which perhaps only some hours.
type span struct {
	from, to int64    // Unix ms, from inclusive, to exclusive; 0 is no bound
	hours    []uint32 // Unix s; nil means all of the window
	received string   // the first day of receipt
}

// bound adds the window to the conditions. f's own bounds are in them already.
func (w span) bound(c *clauses) {
	c.AddTime("timestamp >= %s", "from", w.from)
	c.AddTime("timestamp < %s", "to", w.to)
	if w.hours != nil {
		c.Add("toStartOfHour(timestamp) IN {hours:Array(DateTime('UTC'))}", "hours", w.hours)
	}
}

// walk goes through the hours of a listing in its order, a span at a time.
type walk struct {
	order   Order
	named   bool   // the hours are few among many: name them
	hours   []hour // still to be read
	last    bool   // the rollup names no hour after these
	edge    int64  // where the span before ended; 0 before the first
	partial bool   // of the first hour, only a part is in the filter
}

// skip drops whole hours off the front while n entries, that are to be passed over, fill them. It returns how many of n
// are still to be passed over.
func (w *walk) skip(n int64) int64 {
	for len(w.hours) > 0 && n >= w.hours[0].entries && !w.partial {
		n -= w.hours[0].entries
		w.drop(1)
	}
	return n
}

// drop leaves out the first n hours.
func (w *walk) drop(n int) {
	end := w.hours[n-1].at
	if w.order == OldestFirst {
		end += hourMs
	}
	w.edge, w.hours, w.partial = end, w.hours[n:], false
}

// next is the span of the first hours that hold at least aim entries together.
func (w *walk) next(aim int64, floor string) span {
	n, sum := 0, int64(0)
	for n < len(w.hours) && sum < aim {
		if n > 0 || !w.partial {
			sum += w.hours[n].entries
		}
		n++
	}
	picked, sp := w.hours[:n], span{received: floor}
	if first := firstReceived(picked).Format(time.DateOnly); first > floor {
		sp.received = first
	}
	before := w.edge
	w.drop(n)
	after := w.edge
	if len(w.hours) == 0 && w.last {
		after = 0 // whatever lies beyond belongs to the listing
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

// names are the hours as Unix seconds; nil where their range says the same, or where they are too many to name.
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
