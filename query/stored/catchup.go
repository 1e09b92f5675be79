package stored

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Intervals of looking at how far the consumer is behind.
const (
	lagEvery = 25 * time.Millisecond // while it is further behind than a read waits
	silence  = time.Second           // after Kafka did not answer
)

// lag decides whether reads without a position wait for the consumer.
type lag struct {
	frontier *shared[frontier]
	silent   atomic.Int64 // Unix ns until which Kafka is not asked again
	behind   atomic.Pointer[target]
	skipped  atomic.Bool   // a read has not waited since the last nudge for a target
	wake     chan struct{} // holds one token while behind may be set

	mu    sync.Mutex    // guards usual
	usual time.Duration // moving average of how long reads wait
}

// frontier compares the consumer's progress at one moment with the records acknowledged before that moment.
type frontier struct {
	committed schema.Position // the next offsets that it will store
	missing   schema.Position // the last offsets of the partitions that have records which are not stored
}

// target is a position that a read waited too long for. Other reads do not wait until the consumer has passed it and has caught up.
type target struct {
	missing schema.Position
	since   time.Time
}

func newLag() *lag {
	return &lag{frontier: newShared[frontier](), wake: make(chan struct{}, 1)}
}

// CatchUp returns when everything that was acknowledged before the call can be read. It returns at once if Kafka does not answer, or if
// earlier reads have shown that the consumer is too far behind. The caller then reads what is stored.
func (p *Progress) CatchUp(ctx context.Context) {
	if p.cfg.ReadWait == 0 || p.kafka == nil {
		return
	}
	if missed := p.catchUp(ctx); missed != "" && ctx.Err() == nil {
		p.metrics.missed[missed].Inc()
	}
}

// catchUp is CatchUp. It returns the reason why some entries may be missing from the read; empty if none is missing.
func (p *Progress) catchUp(ctx context.Context) (missed string) {
	began := time.Now()
	switch {
	case p.lag.behind.Load() != nil:
		p.lag.skipped.Store(true)
		return missedBehind
	case began.UnixNano() < p.lag.silent.Load():
		return missedUnavailable
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ReadWait)
	defer cancel()
	f, err := p.lag.frontier.ask(ctx, p.frontier)
	if err == nil {
		err = p.Wait(ctx, f.missing) // for nothing, it returns at once
	}
	switch {
	case err == nil:
		if p.lag.note(time.Since(began)) > p.cfg.ReadWait/2 {
			p.lag.fallBehind(&target{f.missing, began})
		}
		return ""
	case errors.Is(ctx.Err(), context.Canceled): // the caller has left
		return missedUnavailable
	case errors.Is(err, schema.ErrTimeout):
		p.lag.fallBehind(&target{f.missing, began})
		return missedLate
	}
	p.lag.silent.Store(time.Now().Add(silence).UnixNano())
	return missedUnavailable
}

// note adds how long a read has waited to the average of the last ones, and returns that.
func (l *lag) note(took time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.usual += (took - l.usual) / 8
	return l.usual
}

func (l *lag) fallBehind(t *target) {
	l.mu.Lock()
	l.usual = 0
	l.mu.Unlock()
	l.behind.CompareAndSwap(nil, t)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// followLag checks when reads may wait again, until ctx ends.
func (p *Progress) followLag(ctx context.Context) {
	if p.cfg.ReadWait == 0 || p.kafka == nil {
		return
	}
	p.advanceLag(ctx) // opens the connections before the first read needs them
	tick := time.NewTicker(lagEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.lag.wake:
		}
		for p.lag.behind.Load() != nil {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			p.advanceLag(ctx)
		}
	}
}

// advanceLag compares the consumer with the target. Reads wait again when the consumer has passed the target within half of ReadWait, or
// when nothing is left to store. If it took longer, what is missing now becomes the next target: under full load the consumer stays a
// second behind, and reads must not start to wait again each second. The bound has twice lagEvery more, because the check itself comes
// late.
func (p *Progress) advanceLag(ctx context.Context) {
	asked := time.Now()
	f, err := p.lookAtLag(ctx)
	t := p.lag.behind.Load()
	switch {
	case err != nil || t == nil:
	case len(f.missing) == 0, passed(f.committed, t.missing) && time.Since(t.since) <= p.cfg.ReadWait/2+2*lagEvery:
		p.lag.behind.Store(nil)
	case passed(f.committed, t.missing):
		p.lag.behind.Store(&target{f.missing, asked})
		if p.lag.skipped.Load() && p.watcher.nudger.send(ctx, f.missing) {
			p.lag.skipped.Store(false)
		}
	}
}

// lookAtLag is frontier within lookTimeout.
func (p *Progress) lookAtLag(ctx context.Context) (frontier, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return p.frontier(ctx)
}

// frontier asks Kafka for the ends of the partitions and for what the consumer has committed, both at once.
func (p *Progress) frontier(ctx context.Context) (f frontier, err error) {
	log, err := p.source.Log()
	if err != nil {
		return f, Fault(ctx, err)
	}
	n, err := schemakafka.Partitions(ctx, p.kafka, p.cfg.Topic)
	if err != nil {
		return f, Fault(ctx, err)
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	var ends schema.Position
	var err1, err2 error
	var both sync.WaitGroup
	both.Go(func() { ends, err1 = p.kafkaOffsets(ctx, n, kafka.LastOffset) })
	f.committed, err2 = p.watcher.committed(ctx, all)
	both.Wait()
	if err := errors.Join(err1, err2); err != nil {
		return f, Fault(ctx, err)
	}
	f.missing, err = p.behindOf(ctx, log, ends, f.committed)
	return f, err
}

// behindOf returns the last offset of each partition that has records which are not stored; ends are Kafka's. A partition that has records
// and no commit may have lost them all to the retention of its topic.
func (p *Progress) behindOf(ctx context.Context, log *schemakafka.Log, ends, committed schema.Position) (schema.Position, error) {
	missing, absolute, unsure := schema.Position{}, schema.Position{}, false
	for partition, end := range ends {
		at, has := committed[partition]
		absolute[partition] = log.Absolute(partition, end)
		if end > 0 && at < absolute[partition] {
			missing[partition] = absolute[partition] - 1
			unsure = unsure || !has
		}
	}
	if !unsure {
		return missing, nil
	}
	last, err := p.lastOf(ctx, absolute)
	for partition := range missing {
		if _, has := last[partition]; !has {
			delete(missing, partition)
		}
	}
	return missing, err
}
