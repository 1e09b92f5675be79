package consumer

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/activitylog/activitylog/ingest/consumer/internal/health"
	"github.com/activitylog/activitylog/ingest/consumer/internal/nudge"
	"github.com/activitylog/activitylog/ingest/consumer/internal/pace"
	"github.com/activitylog/activitylog/ingest/consumer/internal/repeat"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// member is this process's membership in one generation of the group. Once another generation has begun, the group refuses its commits, so
// a consumer that was removed from the group cannot declare a batch.
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
	pending fetchBatch // the rest of the last fetch batch
	next    int64
	since   *atomic.Int64 // Unix ms of the oldest record that is not stored; 0 if there is none

	source    *schemakafka.Log // the log that the tables belong to: it gives records their absolute offsets
	committed int64            // Kafka's offset that was committed before this assignment, -1 if there is none
	blocks    *repeat.Blocks   // the ids seen before next
	keys      repeat.Keys
	of        int       // partitions of the topic, which event keys are spread over, as far as is known
	recounted time.Time // when that was looked up because of a key that belongs to another partition
	intent    int64     // last offset of the batch declared before this assignment; schemakafka.None if there is none
	stored    int64     // highest offset of an entry in ClickHouse at the assignment, -1 if there is none
	counted   int64     // watermark of by_entity at the assignment: the offset up to which it counts
	kinds     int64     // watermark of by_kind at the assignment

	watermark   int64  // of by_entity now
	marked      int64  // the day on which it rose
	connections uint64 // to ClickHouse, when the tables were last checked
	completed   bool   // the rollups count everything from before the last epoch
	goal        *int64 // where the log ended when the process was told to end; nil before
}

// run stores records until e tells it to stop. It completes the current batch first, unless ctx ends. After an error the partition cannot
// continue in this assignment: the group makes a new one.
func (p *partition) run(ctx context.Context, e ending) error {
	if err := p.assign(e.begin); err != nil {
		return err
	}
	p.health.Reached(p.number)
	fetching, cancel := context.WithCancel(e.begin)
	var wg sync.WaitGroup
	wg.Go(func() { p.fetch.run(fetching, p.next) })
	defer wg.Wait()
	defer cancel()
	for b := newBatch(p.next); ; {
		t, ok, err := p.take(e, b)
		if err != nil || !ok {
			return err
		}
		began := time.Now()
		next, err := p.store(ctx, e, b)
		p.pacer.Done(t, time.Since(began)*time.Duration(p.limits.small(b))/100)
		if err != nil {
			return err
		}
		b = next
	}
}

// take fills b until b must be stored. ok is false if the partition must stop before that. The turn belongs to the batch; it is nil if the
// batch needs none.
func (p *partition) take(e ending, b *batch) (t *pace.Turn, ok bool, err error) {
	if b.assembled != nil {
		return nil, true, nil
	}
	w := waiting{p: p}
	defer w.end()
	b.replay = p.intent >= p.next
	stop := e.stop.Done()
	for e.begin.Err() == nil {
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
		if e.stop.Err() != nil {
			if stop = nil; p.drained(e.begin, b) {
				return nil, !b.empty(), nil
			}
		}
		if b.commands > 0 {
			return nil, true, nil
		}
		w.begin(b)
		select {
		case <-e.begin.Done():
		case <-stop:
		case <-w.late:
			return nil, true, nil
		case <-w.ready:
			return w.keep(), true, nil
		case <-w.batch.Nudged():
			if t := p.pacer.Hurry(); t != nil {
				p.metrics.hurried.Inc()
				return t, true, nil
			}
		case next, more := <-p.fetch.batches:
			if !more {
				return nil, false, nil
			}
			p.received(next)
		}
	}
	return nil, false, nil
}

// drained reports whether b reaches the offset at which the log ended when the process was told to stop, or whether Kafka or ClickHouse is
// unavailable, so continuing would be useless.
func (p *partition) drained(ctx context.Context, b *batch) bool {
	if p.goal == nil {
		p.goal = new(int64)
		if err := attempt(ctx, time.Second, func(ctx context.Context) (err error) {
			_, *p.goal, err = p.fetch.bounds(ctx)
			return err
		}); err != nil || !p.health.Available(health.ClickHouse) {
			*p.goal = 0
		}
	}
	return p.fetch.between(p.source.Next(p.number, b.last), *p.goal) == 0
}

// received notes a fetch batch as pending.
func (p *partition) received(next fetchBatch) {
	p.pending = next
	if next.err == nil {
		p.metric.lag.Set(float64(p.fetch.between(p.next, next.end)))
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
			b.replay, p.intent = false, schemakafka.None // the log has lost all of the declared batch
		}
		if epoch, _ := p.source.Last(p.number); b.first < epoch && r.offset >= epoch {
			if !b.empty() {
				return true
			}
			b.first = epoch
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

// waiting has the events that end the growth of a batch: its turn, its greatest age, and a reader that waits for it.
type waiting struct {
	p     *partition
	turn  *pace.Turn
	timer *time.Timer
	ready <-chan struct{}
	late  <-chan time.Time
	batch *nudge.Batch // nil until it waits
}

// begin enqueues b for a turn once it has its first record.
func (w *waiting) begin(b *batch) {
	if w.turn != nil || b.empty() || b.replay {
		return
	}
	w.turn = w.p.pacer.Enqueue()
	w.timer = time.NewTimer(w.p.cfg.MaxAge)
	w.ready, w.late = w.turn.Ready, w.timer.C
	if own, ok := w.p.source.Offset(w.p.number, b.first); ok {
		w.batch = w.p.nudges.Add(w.p.number, own)
	}
}

// keep hands the turn to the caller, who must return it.
func (w *waiting) keep() *pace.Turn {
	t := w.turn
	w.turn = nil
	return t
}

func (w *waiting) end() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.p.nudges.Remove(w.batch)
	if w.turn != nil {
		w.p.pacer.Cancel(w.turn)
	}
}

// alarm counts and logs a condition that an operator should look at.
func (p *partition) alarm(kind, what string, attrs ...any) {
	p.metrics.alarms.WithLabelValues(kind).Inc()
	p.log.Error("alarm", append([]any{slog.String("kind", kind), slog.String("what", what)}, attrs...)...)
}
