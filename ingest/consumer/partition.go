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

// member is this process's membership in one generation of the group. Once another generation has begun, the group refuses its
// commits: so a consumer that was thought dead cannot declare anything.
type member struct {
	generation int
	id         string
}

// partition stores one partition's records while its generation lasts.
type partition struct {
	*Consumer
	number int
	member member
	limits limits
	log    *slog.Logger
	metric partitionMetrics

	fetch   *fetcher
	pending fetchBatch // what is left of the last fetch batch
	next    int64
	since   *atomic.Int64 // Unix ms of the oldest record that is not stored; 0 if there is none

	blocks  *repeat.Blocks // the ids seen before next
	keys    repeat.Keys
	intent  int64 // last offset of the batch declared before this assignment; repeat.NoIntent if there is none
	stored  int64 // highest offset of an entry in ClickHouse at the assignment, -1 if there is none
	counted int64 // watermark of by_entity at the assignment: the offset up to which it counts
	kinds   int64 // the same of by_kind
	reused  bool  // offsets up to these have been given to other records
}

// run stores records until ctx, the generation's, ends. If stop ends, it completes the batch under way first. An error means
// that the assignment cannot go on: the group makes a new one.
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

// assign finds out how far the partition is: in the group, in Kafka, and in ClickHouse.
func (p *partition) assign(ctx context.Context) error {
	if err := p.resume(ctx); err != nil {
		return err
	}
	p.peek(ctx)
	if err := p.lookUpWatermarks(ctx); err != nil {
		return err
	}
	return p.compare(ctx)
}

// resume reads the group's committed offset and the metadata that was committed with it.
func (p *partition) resume(ctx context.Context) error {
	return p.reachKafka(ctx, "fetch the committed offset", func(ctx context.Context) error {
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
			p.alarm("metadata", "the group's offset metadata cannot be read; continuing from what is stored", slog.Any("error", err))
		}
		return nil
	})
}

// peek finds out how long the first record has waited: ClickHouse, which is asked next, may be unavailable for long, and Kafka
// does not keep a record for ever. An error is ignored: the fetches that follow meet it again.
func (p *partition) peek(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	first := *p.fetch
	first.MaxBytes, first.Wait = 1, time.Millisecond
	if found, _, err := first.fetch(ctx, max(0, p.next)); err == nil && len(found.records) > 0 {
		p.since.Store(found.records[0].at)
	}
}

// compare compares the committed offset with the partition's log. A log that begins after it has lost records before they were
// stored. A log that ends before it has lost its end, or was created anew: then all of it is read again.
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
		p.alarm("reused", "the log ends before what has been stored: its offsets will be used twice", where, slog.Int64("stored", known))
		p.reused = true
	}
	return nil
}

func (p *partition) bounds(ctx context.Context) (start, end int64, err error) {
	err = p.reachKafka(ctx, "look up the log's bounds", func(ctx context.Context) (err error) {
		start, end, err = p.fetch.Bounds(ctx)
		return err
	})
	return start, end, err
}

// take fills b until it is time to store it; not ok if stop or the generation ends before. The turn belongs to the batch; it is
// nil if the batch needs none.
func (p *partition) take(stop context.Context, b *batch) (t *pace.Turn, ok bool, err error) {
	if b.assembled != nil {
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

// received notes a fetch batch as pending.
func (p *partition) received(next fetchBatch) {
	p.pending = next
	if next.err == nil {
		p.metric.lag.Set(float64(next.end - p.next))
	}
}

// fill moves pending records into b until none is left or b is complete.
func (p *partition) fill(b *batch) (complete bool) {
	for len(p.pending.records) > 0 {
		r := p.pending.records[0]
		if b.replay && r.offset > p.intent {
			if !b.empty() {
				b.last = p.intent
				return true
			}
			b.replay, p.intent = false, repeat.NoIntent // the log has lost all of the declared batch
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

// waiting is what a batch waits for while it can still grow: a turn, or its greatest age.
type waiting struct {
	p     *partition
	turn  *pace.Turn
	timer *time.Timer
	ready <-chan struct{}
	late  <-chan time.Time
}

// begin enqueues b for a turn once it has its first record.
func (w *waiting) begin(b *batch) {
	if w.turn != nil || b.empty() || b.replay {
		return
	}
	w.turn = w.p.pacer.Enqueue()
	w.timer = time.NewTimer(w.p.cfg.MaxAge)
	w.ready, w.late = w.turn.Ready, w.timer.C
}

// keep hands the turn to the caller, who must give it back.
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

// alarm counts and logs a condition that an operator should look at.
func (p *partition) alarm(kind, what string, attrs ...any) {
	p.metrics.alarms.WithLabelValues(kind).Inc()
	p.log.Error("alarm", append([]any{slog.String("kind", kind), slog.String("what", what)}, attrs...)...)
}
