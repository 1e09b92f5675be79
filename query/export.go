package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/schema"
)

// Export asks for every entry of a filter, the oldest first.
type Export struct {
	Filter   Filter
	Snapshot schema.Position // which entries: those that lie at or before it; nil: those that are stored now
	After    Place           // only what comes after it
}

// Place is where an entry stands among the oldest first; the zero value stands before all of them.
type Place struct {
	Timestamp int64 // Unix ms
	ID        uint64
}

// exportPages say how much an export reads at once. A page is in memory before its first entry is handed out: so a query lasts as
// long as reading takes, however slowly the caller takes the entries, and no place in the engine is held meanwhile. It reads the
// hours in which a page lies, because each part that is open costs the engine memory: of 1 M entries in 20 parts, a query over all
// of them took 138 MB and the pages take 8 MB.
type exportPages struct {
	hours int64 // entries of the hours that a query reads, by the rollup
	rows  int   // entries of a page
	bytes int   // of text in a page
}

var exportDefaults = exportPages{hours: 20_000, rows: 30_000, bytes: 8 << 20}

// busyFor is when to try again where all places for exports are taken.
const busyFor = 5 * time.Second

// Exporting is an export under way. It holds one of a few places until it is closed.
type Exporting struct {
	Snapshot schema.Position // to continue with

	store  *Store
	export Export
	at     Place // of the last entry that was handed out
}

// OpenExport begins an export. Its error is ErrInvalid naming a field, or ErrUnavailable, also where too many run.
func (s *Store) OpenExport(ctx context.Context, x Export) (e *Exporting, err error) {
	defer func() {
		if err != nil {
			s.metrics.requests.WithLabelValues("export", outcome(err)).Inc()
		}
	}()
	if err := x.Filter.Validate(); err != nil {
		return nil, err
	}
	select {
	case s.exports <- struct{}{}:
	default:
		return nil, &schema.RetryError{After: busyFor, Err: fmt.Errorf("%w: too many exports", schema.ErrUnavailable)}
	}
	s.metrics.exporting.Inc()
	e = &Exporting{Snapshot: x.Snapshot, store: s, export: x, at: x.After}
	if e.Snapshot == nil {
		if e.Snapshot, err = s.storedUpTo(ctx); err != nil {
			e.Close()
			return nil, err
		}
	}
	return e, nil
}

// Close gives the place back.
func (e *Exporting) Close() {
	<-e.store.exports
	e.store.metrics.exporting.Dec()
}

// Each hands out every entry once, in order, and ends with the first error of f. What is erased meanwhile may be missing;
// nothing else is, and nothing that was stored later is there. A ClickHouse that is away for a moment is waited for; an error
// of its own is ErrUnavailable or ErrTimeout.
func (e *Exporting) Each(ctx context.Context, f func(*schema.Entry) error) (err error) {
	defer e.store.metrics.observe("export", time.Now(), &err)
	if len(e.Snapshot) == 0 {
		return nil
	}
	filter := e.export.Filter
	for {
		filter.Start = max(filter.Start, e.at.Timestamp)
		w, err := e.walk(ctx, filter)
		if err != nil {
			return err
		}
		for len(w.hours) > 0 {
			sp := w.next(e.aim(), "")
			if err := e.span(ctx, sp, f); err != nil {
				return err
			}
		}
		if w.last {
			return nil
		}
		filter.Start = max(filter.Start, w.edge)
	}
}

// walk looks up the hours in which entries lie. by_kind may lack hours of the snapshot, as it is written last: its hours only
// say where to divide, and what lies between or beyond them is read as well.
func (e *Exporting) walk(ctx context.Context, filter Filter) (w *walk, err error) {
	r, _ := filter.rollup()
	err = e.patiently(ctx, func() error {
		filter, err := e.store.visible(ctx, filter)
		if err != nil {
			return err
		}
		hours, err := e.store.hours(ctx, filter, OldestFirst)
		w = &walk{order: OldestFirst, named: r.kind != "", hours: hours, last: len(hours) < maxHours}
		return err
	})
	if err == nil && len(w.hours) == 0 && !w.named {
		w.hours = []hour{{at: hourOf(filter.Start)}}
	}
	return w, err
}

// aim is how many entries the rollup should name for a span: more, if it counts more than the filter means.
func (e *Exporting) aim() int64 {
	_, exact := e.export.Filter.rollup()
	switch {
	case exact:
		return e.store.exportPages.hours
	case e.export.Filter.RequestID != "":
		return beyond
	}
	return e.store.exportPages.hours * guess
}

// span hands out the entries of one span.
func (e *Exporting) span(ctx context.Context, sp span, f func(*schema.Entry) error) error {
	for {
		var page []schema.Entry
		var more bool
		err := e.patiently(ctx, func() (err error) {
			page, more, err = e.page(ctx, sp)
			return err
		})
		if err != nil {
			return err
		}
		for i := range page {
			if err := f(&page[i]); err != nil {
				return err
			}
			e.at = Place{page[i].Timestamp, page[i].ID}
		}
		e.store.metrics.exported.Add(float64(len(page)))
		if !more {
			return nil
		}
	}
}

// page reads the next entries of a span, and says whether there may be more.
func (e *Exporting) page(ctx context.Context, sp span) (page []schema.Entry, more bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends a query of which enough has been read
	f, err := e.store.visible(ctx, e.export.Filter)
	if err != nil {
		return nil, false, err
	}
	rows, err := e.store.query(ctx, f.tenant, e.statement(f, sp))
	if err != nil {
		return nil, false, fmt.Errorf("export entries: %w", err)
	}
	defer rows.Close()
	for size := 0; rows.Next(); {
		r := f.row()
		if err := rows.Scan(r.dest(Everything)...); err != nil {
			return nil, false, fmt.Errorf("read an entry: %w", err)
		}
		entry, err := r.entry()
		if err != nil {
			return nil, false, err
		}
		page = append(page, entry)
		if size += len(entry.Detail) + len(entry.Details); size > e.store.exportPages.bytes {
			cancel()
			return page, true, nil
		}
	}
	return page, len(page) == e.store.exportPages.rows, fault(ctx, rows.Err())
}

// statement is the query of one page.
func (e *Exporting) statement(f Filter, sp span) statement {
	f.Start = max(f.Start, e.at.Timestamp)
	c := f.entries(f.floor)
	sp.bound(c)
	c.upTo(e.Snapshot)
	if e.at != (Place{}) { // with the filter's bound this is (timestamp, id) beyond the place
		c.AddTime("(timestamp > %s OR id > {id:UInt64})", "after", e.at.Timestamp)
		c.Args = append(c.Args, clickhouse.Named("id", e.at.ID))
	}
	return statement{
		"SELECT " + f.columns(Everything) + " FROM activity" + c.Where() + fmt.Sprintf(" ORDER BY timestamp, id LIMIT %d", e.store.exportPages.rows),
		c.Args,
	}
}

// patiently does it again while ClickHouse is away or too busy, for as long as a caller waits for anything.
func (e *Exporting) patiently(ctx context.Context, do func() error) error {
	enough := time.Now().Add(e.store.cfg.WaitMax)
	for {
		err := do()
		passing := errors.Is(err, schema.ErrUnavailable) || errors.Is(err, schema.ErrTimeout)
		if err == nil || !passing || time.Now().After(enough) {
			return err
		}
		select {
		case <-ctx.Done():
			return fault(ctx, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// pause is the time between two tries to read a page.
const pause = 250 * time.Millisecond
