package query

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/sync/singleflight"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/schema"
)

// tailRows and tailBytes (of text) bound the entries that a tail has in memory: it reads more when it has returned these. A record of a
// collector has 512 entries at most, so that a page ends with a whole record.
const (
	tailRows  = 1000
	tailBytes = 4 << 20
)

// tails is the state that all tails share.
type tails struct {
	most   int
	calls  singleflight.Group
	open   prometheus.Gauge
	tailed prometheus.Counter
}

func newTails(most int, reg prometheus.Registerer) *tails {
	f := promauto.With(reg)
	return &tails{
		most: most,
		open: f.NewGauge(prometheus.GaugeOpts{
			Name: "activity_query_tails",
			Help: "Tails that are open now.",
		}),
		tailed: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_query_tailed_entries_total",
			Help: "Entries that tails returned.",
		}),
	}
}

// Tailing follows the entries of a filter as they are stored: each once, by partition and offset. It counts towards the limit of
// tails until it is closed.
type Tailing struct {
	reader   *Reader
	filter   Filter
	position stored.TailPosition
	last     int // the partition that was read last
}

// Followed is an entry, and where to continue after it.
type Followed struct {
	schema.Entry
	Position stored.TailPosition
}

// tailRow is an entry as it is read for all tails that ask for the same.
type tailRow struct {
	entry  schema.Entry
	offset int64
	index  int
}

// tailPage has the entries that were read from a range of offsets.
type tailPage struct {
	rows  []tailRow
	more  bool // there may be more
	whole bool // the last record is complete
}

// OpenTail starts a tail after position, or, if it is nil, with the entries that are stored from now on. Its error is ErrInvalid naming a
// field, or ErrUnavailable, also if too many tails are open.
func (r *Reader) OpenTail(ctx context.Context, f Filter, position *stored.TailPosition) (t *Tailing, err error) {
	defer r.requests.Observe("tail", time.Now(), &err)
	if err := f.Validate(); err != nil {
		return nil, err
	}
	if !r.stored.Feed.Join(r.tails.most) {
		return nil, &schema.RetryError{After: busyFor, Err: fmt.Errorf("%w: too many tails", schema.ErrUnavailable)}
	}
	r.tails.open.Inc()
	t = &Tailing{reader: r, filter: f}
	now, err := r.stored.UpTo(ctx)
	if err != nil {
		t.Close()
		return nil, err
	}
	if t.position = stored.TailAt(now); position != nil {
		t.position = *position
	}
	return t, nil
}

// Close ends the tail, so that another one may be opened.
func (t *Tailing) Close() {
	t.reader.stored.Feed.Leave()
	t.reader.tails.open.Dec()
}

// Position returns how far the tail has read, including entries that do not match the filter.
func (t *Tailing) Position() stored.TailPosition { return t.position }

// Next waits for entries, for timeout at most, after which it returns none. It waits for a ClickHouse that is unavailable as if
// there were no entries; any other error ends the tail.
func (t *Tailing) Next(ctx context.Context, timeout time.Duration) ([]Followed, error) {
	enough := time.NewTimer(timeout)
	defer enough.Stop()
	for {
		now, advanced := t.reader.stored.Feed.Stored()
		found, err := t.read(ctx, now)
		passing := db.Passing(err)
		if len(found) > 0 || err != nil && !passing {
			return found, err
		}
		var again <-chan time.Time
		if passing {
			again = time.After(retryPause)
		}
		select {
		case <-ctx.Done():
			return nil, db.Fault(ctx, ctx.Err())
		case <-enough.C:
			return nil, nil
		case <-again:
		case <-advanced:
		}
	}
}

// read returns the next entries of one partition, up to now.
func (t *Tailing) read(ctx context.Context, now schema.Position) ([]Followed, error) {
	for _, partition := range t.order(now) {
		last := now[partition]
		from, index := t.position.Next(partition)
		if from > last {
			continue
		}
		page, err := t.reader.tails.read(ctx, t.reader, t.filter, tailRange{partition, from, index, last})
		if err != nil {
			return nil, err
		}
		if found := t.take(partition, last, page); len(found) > 0 {
			t.reader.tails.tailed.Add(float64(len(found)))
			return found, nil
		}
	}
	return nil, nil
}

// order returns the order in which to read the partitions: first the one with a record that is partly read, otherwise the one after the
// partition that was read last, so that a busy partition does not delay the others.
func (t *Tailing) order(now schema.Position) []int {
	all := slices.Sorted(maps.Keys(now))
	first := t.last + 1
	if t.position.Index >= 0 {
		first = t.position.Partition
	}
	i, _ := slices.BinarySearch(all, first)
	return slices.Concat(all[i:], all[:i])
}

// take returns what has been read of a partition up to the offset last, and moves the position.
func (t *Tailing) take(partition int, last int64, page tailPage) []Followed {
	found := make([]Followed, len(page.rows))
	for i, r := range page.rows {
		t.position = t.position.Through(partition, r.offset, r.index)
		found[i] = Followed{r.entry, t.position}
	}
	switch {
	case !page.more:
		t.position = t.position.UpTo(partition, last)
	case page.whole:
		t.position = t.position.UpTo(partition, page.rows[len(page.rows)-1].offset)
	}
	t.last = partition
	if len(found) > 0 {
		found[len(found)-1].Position = t.position
	}
	return found
}

// tailRange is a part of a partition: the offsets from to last and, of the record at from, only the entries behind index.
type tailRange struct {
	partition int
	from      int64
	index     int
	last      int64
}

// read reads the first entries of a range. Tails that ask for the same at the same time share the answer.
func (t *tails) read(ctx context.Context, r *Reader, f Filter, x tailRange) (tailPage, error) {
	name := f.canonical() + fmt.Sprint(x)
	return db.Share(ctx, r.db, &t.calls, name, func(ctx context.Context) (tailPage, error) {
		f, err := f.visible(ctx, r.visible)
		if err != nil {
			return tailPage{}, err
		}
		return readTail(ctx, r.db, f, f.tailOf(x))
	})
}

// tailOf returns the query of a range. With the bounds of koff, its index selects the few granules that hold the range.
func (f Filter) tailOf(x tailRange) db.Statement {
	c := f.entries(f.since.Day)
	c.Add("kpart = {kpart:UInt16}", "kpart", uint16(x.partition))
	c.Add("koff >= {first_offset:UInt64}", "first_offset", uint64(x.from))
	c.Add("koff <= {last_offset:UInt64}", "last_offset", uint64(x.last))
	if x.index >= 0 {
		c.Add("(koff > {first_offset:UInt64} OR kidx > {index:UInt16})", "index", uint16(x.index))
	}
	return db.Statement{
		Text: "SELECT koff, kidx, " + f.columns(Everything) + " FROM activity" + c.Where() + " ORDER BY koff, kidx LIMIT " + strconv.Itoa(tailRows),
		Args: c.Args,
	}
}

func readTail(ctx context.Context, d *db.DB, f Filter, q db.Statement) (page tailPage, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, err := d.Query(ctx, f.tenant, q)
	if err != nil {
		return page, fmt.Errorf("follow entries: %w", err)
	}
	defer rows.Close()
	for size := 0; rows.Next(); {
		r := f.row()
		var offset uint64
		var index uint16
		if err := rows.Scan(append([]any{&offset, &index}, r.dest(Everything)...)...); err != nil {
			return page, fmt.Errorf("read an entry: %w", err)
		}
		entry, err := r.entry()
		if err != nil {
			return page, err
		}
		page.rows = append(page.rows, tailRow{entry, int64(offset), int(index)})
		if size += r.size(); size > tailBytes || len(page.rows) == tailRows {
			cancel() // enough has been read
			return page.cut(), nil
		}
	}
	return page, db.Fault(ctx, rows.Err())
}

// cut ends a full page after the last record that is certainly complete, if there is one.
func (p tailPage) cut() tailPage {
	p.more = true
	last := p.rows[len(p.rows)-1].offset
	for i, row := range slices.Backward(p.rows) {
		if row.offset != last {
			p.rows, p.whole = p.rows[:i+1], true
			break
		}
	}
	return p
}
