package consumer

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/ingest/consumer/internal/pace"
	"github.com/activitylog/activitylog/ingest/consumer/internal/repeat"
)

// member is this process's part in one generation of the group. A commit under it is refused once another generation has
// begun, which is what keeps a consumer that was thought dead from declaring anything.
type member struct {
	generation int
	id         string
}

// partition stores one partition's records while its generation lives.
type partition struct {
	*Consumer
	number int
	member member
	limits limits
	log    *slog.Logger
	metric partitionMetrics

	fetch   *fetcher
	pending fetchBatch // what of the last fetch batch has not been taken
	next    int64
	since   *atomic.Int64 // Unix ms of the oldest record that is not stored; 0 if there is none

	blocks  *repeat.Blocks // what had been seen before next
	keys    repeat.Keys
	intent  int64 // last offset of the batch declared before this assignment; repeat.NoIntent if there is none
	stored  int64 // highest offset of an entry in ClickHouse at the assignment, -1 if there is none
	counted int64 // offset up to which by_entity counts, at the assignment
	kinds   int64 // the same of by_kind
	reused  bool  // offsets up to those have been given to other records
}

// run stores records until ctx, the generation's, ends; or until stop does, with the batch under way completed. Its error
// means that the assignment cannot go on: the group gives a new one.
func (p *partition) run(ctx, stop context.Context) error {
	if err := p.assign(ctx); err != nil {
		return err
	}
	fetching, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(stop, cancel)()
	var wg sync.WaitGroup
	wg.Go(func() { p.fetch.run(fetching, p.next) })
	defer wg.Wait()
	defer cancel()
	for b := newBatch(p.next); ; {
		t, ok, err := p.take(stop, b)
		if err != nil || !ok {
			return err
		}
		began := time.Now()
		next, err := p.store(ctx, b)
		p.pacer.Done(t, time.Since(began)*time.Duration(p.limits.small(b))/100)
		if err != nil {
			return err
		}
		b = next
	}
}

// assign learns where the partition stands: in the group, in the log, and in ClickHouse.
func (p *partition) assign(ctx context.Context) error {
	if err := p.resume(ctx); err != nil {
		return err
	}
	p.peek(ctx)
	if err := p.lookUpMarks(ctx); err != nil {
		return err
	}
	return p.compare(ctx)
}

// resume takes up the group's committed offset and what was committed with it.
func (p *partition) resume(ctx context.Context) error {
	return p.reach(ctx, "fetch the committed offset", func(ctx context.Context) error {
		res, err := p.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{
			GroupID: p.group, Topics: map[string][]int{p.cfg.Topic: {p.number}},
		})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			return err
		}
		at := res.Topics[p.cfg.Topic]
		if len(at) != 1 {
			return kafka.UnknownTopicOrPartition
		}
		if at[0].Error != nil {
			return at[0].Error
		}
		p.next = at[0].CommittedOffset
		p.intent, p.blocks, err = repeat.Parse(at[0].Metadata)
		if err != nil {
			p.alarm("metadata", "the group's offset metadata cannot be read; going on by what is stored", slog.Any("error", err))
		}
		return nil
	})
}

// peek looks how long the first record has waited: ClickHouse, which is asked next, may be away for long, and the log does
// not keep a record for ever. What goes wrong here goes wrong again where it counts.
func (p *partition) peek(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	first := *p.fetch
	first.MaxBytes, first.Wait = 1, time.Millisecond
	if found, _, err := first.fetch(ctx, max(0, p.next)); err == nil && len(found.records) > 0 {
		p.since.Store(found.records[0].at)
	}
}

// compare brings the committed offset and the log together. A log that begins later has lost records before they were
// stored; one that ends earlier has lost its end, or was made anew: then everything in it is looked at again.
func (p *partition) compare(ctx context.Context) error {
	start, end, err := p.bounds(ctx)
	if err != nil {
		return err
	}
	where := slog.Group("log", slog.Int64("start", start), slog.Int64("end", end), slog.Int64("committed", p.next))
	switch {
	case p.next < 0: // the group has never committed, or its offsets have expired
		p.next, p.intent, p.blocks = start, repeat.NoIntent, &repeat.Blocks{}
	case p.next < start:
		p.alarm("trimmed", "records were removed before they were stored", where)
		p.next, p.intent = start, repeat.NoIntent
	case p.next > end:
		p.alarm("beyond_end", "the log ends before the committed offset; reading it again from its start", where)
		p.next, p.intent, p.blocks = start, repeat.NoIntent, &repeat.Blocks{}
	case p.intent >= end:
		p.alarm("intent_lost", "the log ends before the batch that was declared", where)
		p.intent = repeat.NoIntent
	}
	if known := max(p.stored, p.counted); known >= end {
		p.alarm("reused", "the log ends before what has been stored; its offsets will be used twice", where, slog.Int64("stored", known))
		p.reused = true
	}
	return nil
}

func (p *partition) bounds(ctx context.Context) (start, end int64, err error) {
	err = p.reach(ctx, "look up the log's bounds", func(ctx context.Context) (err error) {
		start, end, err = p.fetch.Bounds(ctx)
		return err
	})
	return start, end, err
}

// take fills b until it is to be stored; not ok when stop, or the generation, has ended before. The turn is the batch's, nil
// if it needed none.
func (p *partition) take(stop context.Context, b *batch) (t *pace.Turn, ok bool, err error) {
	if b.ahead != nil {
		return nil, true, nil
	}
	w := waiting{p: p}
	defer w.end()
	b.replay = p.intent >= p.next
	for {
		complete := p.fill(b)
		p.since.Store(b.since())
		if complete {
			return nil, true, nil
		}
		if p.pending.err != nil {
			return nil, false, p.pending.err
		}
		select {
		case next, more := <-p.fetch.batches:
			if !more {
				return nil, false, nil
			}
			p.received(next)
			continue
		default:
		}
		if b.commands > 0 {
			return nil, true, nil
		}
		w.begin(b)
		select {
		case <-stop.Done():
			return nil, false, nil
		case <-w.late:
			return nil, true, nil
		case <-w.ready:
			return w.keep(), true, nil
		case next, more := <-p.fetch.batches:
			if !more {
				return nil, false, nil
			}
			p.received(next)
		}
	}
}

func (p *partition) received(next fetchBatch) {
	p.pending = next
	if next.err == nil {
		p.metric.lag.Set(float64(next.end - p.next))
	}
}

// fill moves records into b until none is left or b is complete.
func (p *partition) fill(b *batch) (complete bool) {
	for len(p.pending.records) > 0 {
		r := p.pending.records[0]
		if b.replay && r.offset > p.intent {
			if !b.empty() {
				b.last = p.intent
				return true
			}
			b.replay, p.intent = false, repeat.NoIntent // nothing of it is left in the log
		}
		s := inspect(r.value)
		if !b.fits(s, r.value, p.limits) {
			return true
		}
		b.add(r, s)
		p.pending.records = p.pending.records[1:]
		if b.replay && r.offset == p.intent {
			return true
		}
	}
	return false
}

// waiting is what a batch waits for that could still grow.
type waiting struct {
	p     *partition
	turn  *pace.Turn
	timer *time.Timer
	ready <-chan struct{}
	late  <-chan time.Time
}

// begin queues b for a turn when it has its first record.
func (w *waiting) begin(b *batch) {
	if w.turn != nil || b.empty() || b.replay {
		return
	}
	w.turn = w.p.pacer.Enqueue()
	w.timer = time.NewTimer(w.p.cfg.MaxAge)
	w.ready, w.late = w.turn.Ready, w.timer.C
}

// keep leaves the turn to the caller.
func (w *waiting) keep() *pace.Turn {
	t := w.turn
	w.turn = nil
	return t
}

func (w *waiting) end() {
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.turn != nil {
		w.p.pacer.Cancel(w.turn)
	}
}
