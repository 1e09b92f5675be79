package query

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/schema"
)

// Export asks for every entry of a filter, the oldest first.
type Export struct {
	Filter   Filter
	Snapshot schema.Position // only entries at or before it; nil: those that are stored now
	After    Key             // only entries that come after it
}

// exportPages say how much an export reads at once. A page is in memory before its first entry is handed out: so a query ends
// soon, however slowly the caller takes the entries, and holds nothing in the engine meanwhile. It reads the hours in which a
// page lies, because each part that is open costs the engine memory: of 1 M entries in 20 parts, a query over all of them took
// 138 MB and the pages take 8 MB.
type exportPages struct {
	hours int64 // entries of the hours that a query reads, by the rollup
	rows  int   // entries of a page
	bytes int   // of text in a page
}

var exportDefaults = exportPages{hours: 20_000, rows: 30_000, bytes: 8 << 20}

// busyFor is the time after which to try again when too many exports or tails run.
const busyFor = 5 * time.Second

// exports is the state that all exports share.
type exports struct {
	running   chan struct{} // holds a token for each export that runs
	pages     exportPages
	exporting prometheus.Gauge
	exported  prometheus.Counter
}

func newExports(most int, reg prometheus.Registerer) *exports {
	f := promauto.With(reg)
	return &exports{
		running: make(chan struct{}, most), pages: exportDefaults,
		exporting: f.NewGauge(prometheus.GaugeOpts{
			Name: "activity_query_exports",
			Help: "Exports that run now.",
		}),
		exported: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_query_exported_entries_total",
			Help: "Entries that exports returned.",
		}),
	}
}

// Exporting is an export that runs. It counts towards the limit of exports until it is closed.
type Exporting struct {
	Snapshot schema.Position // to continue with

	reader   *Reader
	export   Export
	retryFor time.Duration // how long to wait for a ClickHouse that is unavailable
	at       Key           // of the last entry that was handed out
}

// OpenExport begins an export. Its error is ErrInvalid naming a field, or ErrUnavailable, also if too many exports run.
func (r *Reader) OpenExport(ctx context.Context, x Export) (e *Exporting, err error) {
	defer func() {
		if err != nil {
			r.requests.Count("export", err)
		}
	}()
	if err := x.Filter.Validate(); err != nil {
		return nil, err
	}
	select {
	case r.exports.running <- struct{}{}:
	default:
		return nil, &schema.RetryError{After: busyFor, Err: fmt.Errorf("%w: too many exports", schema.ErrUnavailable)}
	}
	r.exports.exporting.Inc()
	e = &Exporting{Snapshot: x.Snapshot, reader: r, export: x, retryFor: r.stored.WaitMax(), at: x.After}
	if e.Snapshot == nil {
		if e.Snapshot, err = r.stored.UpTo(ctx); err != nil {
			e.Close()
			return nil, err
		}
	}
	return e, nil
}

// Close ends the export, so that another one may run.
func (e *Exporting) Close() {
	<-e.reader.exports.running
	e.reader.exports.exporting.Dec()
}

// Each calls f with every entry once, in order, and ends with the first error of f. Entries that are erased meanwhile may be missing. No
// other entry is missing, and no entry that was stored later is included. If ClickHouse is unavailable for a moment, it waits. Its own
// errors are ErrUnavailable and ErrTimeout.
func (e *Exporting) Each(ctx context.Context, f func(*schema.Entry) error) (err error) {
	defer e.reader.requests.Observe("export", time.Now(), &err)
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

// walk looks up the hours in which entries lie. by_kind is written last, so it may lack hours of the snapshot: its hours only divide the
// export into pages, and entries between or beyond them are read as well.
func (e *Exporting) walk(ctx context.Context, filter Filter) (w *walk, err error) {
	r, _ := filter.rollup()
	err = e.retry(ctx, func() error {
		filter, err := filter.visible(ctx, e.reader.visible)
		if err != nil {
			return err
		}
		hours, err := e.reader.hours.lookUp(ctx, filter, OldestFirst)
		w = &walk{order: OldestFirst, named: r.byEntity(), hours: hours, last: len(hours) < maxHours}
		return err
	})
	if err == nil && len(w.hours) == 0 && !w.named {
		w.hours = []hour{{at: hourOf(filter.Start)}}
	}
	return w, err
}

// aim is how many entries the rollup should count for a span. It is higher if the rollup counts more entries than the filter selects.
func (e *Exporting) aim() int64 {
	_, exact := e.export.Filter.rollup()
	switch {
	case exact:
		return e.reader.exports.pages.hours
	case e.export.Filter.RequestID != "":
		return beyond
	}
	return e.reader.exports.pages.hours * guess
}

// span hands out the entries of one span.
func (e *Exporting) span(ctx context.Context, sp span, f func(*schema.Entry) error) error {
	for {
		var page []schema.Entry
		var more bool
		err := e.retry(ctx, func() (err error) {
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
			e.at = Key{page[i].Timestamp, page[i].ID}
		}
		e.reader.exports.exported.Add(float64(len(page)))
		if !more {
			return nil
		}
	}
}

// page reads the next entries of a span, and reports whether there may be more.
func (e *Exporting) page(ctx context.Context, sp span) (page []schema.Entry, more bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends a query when enough has been read
	f, err := e.export.Filter.visible(ctx, e.reader.visible)
	if err != nil {
		return nil, false, err
	}
	rows, err := e.reader.db.Query(ctx, f.tenant, e.statement(f, sp))
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
		if size += r.size(); size > e.reader.exports.pages.bytes {
			cancel()
			return page, true, nil
		}
	}
	return page, len(page) == e.reader.exports.pages.rows, db.Fault(ctx, rows.Err())
}

// statement returns the query of one page.
func (e *Exporting) statement(f Filter, sp span) db.Statement {
	f.Start = max(f.Start, e.at.Timestamp)
	c := f.entries(f.since.Day)
	sp.bound(c)
	stored.Bound(c, e.Snapshot)
	if e.at != (Key{}) { // together with the filter's bound this means (timestamp, id) beyond the key
		c.AddTime("(timestamp > %s OR id > {id:UInt64})", "after", e.at.Timestamp)
		c.Args = append(c.Args, clickhouse.Named("id", e.at.ID))
	}
	return db.Statement{
		Text: "SELECT " + f.columns(Everything) + " FROM activity" + c.Where() + fmt.Sprintf(" ORDER BY timestamp, id LIMIT %d", e.reader.exports.pages.rows),
		Args: c.Args,
	}
}

// retryPause is the pause between two tries to read a page.
const retryPause = 250 * time.Millisecond

// retry repeats reading a page while ClickHouse is unavailable or too busy, at most for the time that a caller waits.
func (e *Exporting) retry(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(e.retryFor)
	for {
		err := do()
		if err == nil || !db.Passing(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return db.Fault(ctx, ctx.Err())
		case <-time.After(retryPause):
		}
	}
}
