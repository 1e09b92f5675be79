package query

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// tailRows and tailBytes, of text, bound what a tail has in memory: it asks for more when it has handed those out. A record of a
// collector has 512 entries at most, so that a page ends with a whole one.
const (
	tailRows  = 1000
	tailBytes = 4 << 20
)

// Tailing follows the entries of a filter as they are stored: each once, by partition and offset. It holds one of a number of
// places until it is closed.
type Tailing struct {
	store  *Store
	filter Filter
	mark   Mark
	turn   int // the partition that was read last
}

// Followed is an entry, and where to go on behind it.
type Followed struct {
	schema.Entry
	Mark Mark
}

// placed is an entry as it is read for all tails that ask for the same.
type placed struct {
	entry  schema.Entry
	offset int64
	index  int
}

// tailPage is what was read of a piece.
type tailPage struct {
	rows  []placed
	more  bool // there may be more
	whole bool // the last offset has all its entries here
}

// OpenTail begins to follow, at mark or with what is stored from now on. Its error is ErrInvalid naming a field, or
// ErrUnavailable, also where too many follow.
func (s *Store) OpenTail(ctx context.Context, f Filter, mark *Mark) (t *Tailing, err error) {
	defer s.metrics.observe("tail", time.Now(), &err)
	if err := f.Validate(); err != nil {
		return nil, err
	}
	if !s.feed.join(s.cfg.Tails) {
		return nil, &schema.RetryError{After: busyFor, Err: fmt.Errorf("%w: too many tails", schema.ErrUnavailable)}
	}
	s.metrics.tails.Inc()
	t = &Tailing{store: s, filter: f}
	stored, err := s.storedUpTo(ctx)
	if err != nil {
		t.Close()
		return nil, err
	}
	if t.mark = markOf(stored); mark != nil {
		t.mark = *mark
	}
	return t, nil
}

// Close gives the place back.
func (t *Tailing) Close() {
	t.store.feed.leave()
	t.store.metrics.tails.Dec()
}

// Mark is how far it has come, entries that the filter does not mean included.
func (t *Tailing) Mark() Mark { return t.mark }

// Next waits for entries, for patience at most, after which there are none. A ClickHouse that is away is waited for like
// entries that do not come; any other error ends the tail.
func (t *Tailing) Next(ctx context.Context, patience time.Duration) ([]Followed, error) {
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for {
		stored, advanced := t.store.feed.now()
		found, err := t.read(ctx, stored)
		passing := errors.Is(err, schema.ErrUnavailable) || errors.Is(err, schema.ErrTimeout)
		if len(found) > 0 || err != nil && !passing {
			return found, err
		}
		var again <-chan time.Time
		if passing {
			again = time.After(pause)
		}
		select {
		case <-ctx.Done():
			return nil, fault(ctx, ctx.Err())
		case <-enough.C:
			return nil, nil
		case <-again:
		case <-advanced:
		}
	}
}

// read is the next entries up to stored, of one partition.
func (t *Tailing) read(ctx context.Context, stored schema.Position) ([]Followed, error) {
	for _, partition := range t.turns(stored) {
		last := stored[partition]
		from, index := t.mark.at(partition)
		if from > last {
			continue
		}
		page, err := t.store.tailed(ctx, t.filter, piece{partition, from, index, last})
		if err != nil {
			return nil, err
		}
		if found := t.take(partition, last, page); len(found) > 0 {
			t.store.metrics.tailed.Add(float64(len(found)))
			return found, nil
		}
	}
	return nil, nil
}

// turns are the partitions in the order in which it is their turn: that of an offset that is begun, and then the one after the
// partition that had its turn last, so that a busy one does not keep the others waiting.
func (t *Tailing) turns(stored schema.Position) []int {
	all := slices.Sorted(maps.Keys(stored))
	first := t.turn + 1
	if t.mark.Index >= 0 {
		first = t.mark.Partition
	}
	i, _ := slices.BinarySearch(all, first)
	return slices.Concat(all[i:], all[:i])
}

// take hands out what has been read of a partition up to the offset last.
func (t *Tailing) take(partition int, last int64, page tailPage) []Followed {
	found := make([]Followed, len(page.rows))
	for i, r := range page.rows {
		t.mark = t.mark.through(partition, r.offset, r.index)
		found[i] = Followed{r.entry, t.mark}
	}
	switch {
	case !page.more:
		t.mark = t.mark.all(partition, last)
	case page.whole:
		t.mark = t.mark.all(partition, page.rows[len(page.rows)-1].offset)
	}
	t.turn = partition
	if len(found) > 0 {
		found[len(found)-1].Mark = t.mark
	}
	return found
}

// piece is a part of a partition: the offsets from to last, of from itself only what lies behind index.
type piece struct {
	partition int
	from      int64
	index     int
	last      int64
}

// tailed reads the first entries of a piece. Tails that ask for the same at the same time share the answer.
func (s *Store) tailed(ctx context.Context, f Filter, p piece) (tailPage, error) {
	name := f.canonical() + fmt.Sprint(p)
	answer := s.tailing.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.QueryTimeout)
		defer cancel()
		f, err := s.visible(ctx, f)
		if err != nil {
			return tailPage{}, err
		}
		return s.placed(ctx, f, f.tailOf(p, f.floor))
	})
	select {
	case <-ctx.Done():
		return tailPage{}, fault(ctx, ctx.Err())
	case a := <-answer:
		page, _ := a.Val.(tailPage)
		return page, a.Err
	}
}

// tailOf is the query of a piece. The bounds of koff lead to the few granules of late, by its index.
func (f Filter) tailOf(p piece, floor string) statement {
	c := f.entries(floor)
	c.Add("kpart = {kpart:UInt16}", "kpart", uint16(p.partition))
	c.Add("koff >= {first_offset:UInt64}", "first_offset", uint64(p.from))
	c.Add("koff <= {last_offset:UInt64}", "last_offset", uint64(p.last))
	if p.index >= 0 {
		c.Add("(koff > {first_offset:UInt64} OR kidx > {index:UInt16})", "index", uint16(p.index))
	}
	return statement{
		"SELECT koff, kidx, " + f.columns(Everything) + " FROM activity" + c.Where() + " ORDER BY koff, kidx LIMIT " + strconv.Itoa(tailRows),
		c.Args,
	}
}

func (s *Store) placed(ctx context.Context, f Filter, q statement) (page tailPage, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, err := s.query(ctx, f.tenant, q)
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
		page.rows = append(page.rows, placed{entry, int64(offset), int(index)})
		if size += len(entry.Detail) + len(entry.Details); size > tailBytes || len(page.rows) == tailRows {
			cancel() // enough has been read
			return page.cut(), nil
		}
	}
	return page, fault(ctx, rows.Err())
}

// cut ends a page that is full with the last offset that it may have all entries of, if there is one.
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
