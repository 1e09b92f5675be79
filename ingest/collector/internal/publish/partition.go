package publish

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Times of writing to a broker.
const (
	idsTimeout = 2 * time.Second
	stallAfter = 2 * time.Second // new writes are refused while a batch has been unanswered for so long
	firstRetry = 10 * time.Millisecond
)

// partition writes to one partition of the topic. The whole queue is sent as one batch. The next batch is sent when the outcome of that one
// is known, so that within one block ids only grow in the log.
type partition struct {
	number   int
	leader   leader // used by run; ready only asks it for offsets
	source   *source
	ids      *ids
	keys     *keys
	m        *metrics
	gauge    prometheus.Gauge // 1 while p refuses writes
	refusing *atomic.Int32    // number of partitions that refuse writes
	log      *slog.Logger

	maxBytes  int64
	maxChunks int
	now       func() time.Time // the clock of the records' times

	mu        sync.Mutex // guards what follows
	queue     []*chunk
	held      int64 // bytes queued and in flight
	refusal   error // why new writes are refused
	refusedAt time.Time
	sentAt    time.Time // of the batch in flight; zero without one
	closed    bool

	wakeup chan struct{}
	batch  batch // of run
}

// admit reserves size bytes of the queue, or returns the error that refuses them. The caller must push or release them.
func (p *partition) admit(size int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refused(); err != nil {
		return err
	}
	switch {
	case !p.sentAt.IsZero() && time.Since(p.sentAt) > stallAfter:
		return errUnavailable
	case p.held > 0 && (p.held+int64(size) > p.maxBytes || len(p.queue) >= p.maxChunks):
		return ErrBusy
	}
	p.held += int64(size)
	p.m.queueBytes.Add(float64(size))
	return nil
}

func (p *partition) release(size int) {
	p.mu.Lock()
	p.held -= int64(size)
	p.mu.Unlock()
	p.m.queueBytes.Sub(float64(size))
}

// push queues an admitted chunk. It fails the chunk at once if p has begun to refuse writes since then.
func (p *partition) push(c *chunk) {
	p.mu.Lock()
	err := p.refused()
	if err == nil {
		p.queue = append(p.queue, c)
	}
	p.mu.Unlock()
	if err != nil {
		p.finish(c, RetryLater(err))
		return
	}
	p.wake()
}

func (p *partition) wake() {
	select {
	case p.wakeup <- struct{}{}:
	default:
	}
}

// close makes run return once the queue is empty.
func (p *partition) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.wake()
}

// run writes until close. If ctx ends before that, it stops retrying: the outcome of the batch is not known then.
func (p *partition) run(ctx context.Context) {
	probe := time.NewTicker(probeEvery)
	defer probe.Stop()
	probe.Stop()
	for {
		switch more := p.next(); {
		case len(p.batch.chunks) > 0:
			p.write(ctx)
			continue
		case !more:
			return
		}
		if p.unavailable() {
			probe.Reset(probeEvery)
		}
		select {
		case <-p.wakeup:
		case <-probe.C:
			if p.recovered(ctx) {
				probe.Stop()
			}
		}
	}
}

// next moves the queue into the batch, up to the limit of a batch. It returns false if p is closed and the queue is empty.
func (p *partition) next() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, size := 0, 0
	for n < len(p.queue) && (n == 0 || size+p.queue[n].Size() <= maxBatchBytes) {
		size += p.queue[n].Size()
		n++
	}
	p.batch.chunks = append(p.batch.chunks[:0], p.queue[:n]...)
	rest := copy(p.queue, p.queue[n:])
	clear(p.queue[rest:])
	p.queue = p.queue[:rest]
	return n > 0 || !p.closed
}

// write sends the batch and finishes its chunks.
func (p *partition) write(ctx context.Context) {
	b := &p.batch
	short, cancel := context.WithTimeout(ctx, idsTimeout)
	err := b.assign(short, p.source, p.ids)
	cancel()
	if err != nil {
		reason := reasonOf(err)
		p.refuse(reason, err)
		for _, c := range b.chunks {
			p.finish(c, RetryLater(reason))
		}
		return
	}
	start := time.Now()
	b.pack(p.now())
	p.m.batchEntries.Observe(float64(b.entries))
	p.m.batchBytes.Observe(float64(len(b.buf)))
	p.setSentAt(start)
	if tries := p.send(ctx, 0, len(b.ends)); tries > 1 {
		b.buf = nil // a try that timed out may still be reading it
	}
	p.setSentAt(time.Time{})
	p.m.produce.Observe(time.Since(start).Seconds())
	log := b.source
	if now, err := p.source.current(); err == nil && now.ID == log.ID {
		log = now
	}
	for _, c := range b.chunks {
		c.offset = log.Absolute(p.number, b.offsets[c.record])
		p.finish(c, b.errs[c.record])
	}
	clear(b.chunks)
}

func (p *partition) setSentAt(at time.Time) {
	p.mu.Lock()
	p.sentAt = at
	p.mu.Unlock()
}

func (p *partition) finish(c *chunk, err error) {
	size := c.Size() // c may be reused once it is finished
	c.finish(p.keys, err)
	p.release(size)
}

// send writes the records [first, end) of the batch and stores their outcome. A try whose acknowledgement was lost is repeated until the
// broker answers. It returns the number of tries.
func (p *partition) send(ctx context.Context, first, end int) (tries int) {
	lost := false
	for wait := firstRetry; ; wait = min(4*wait, probeEvery) {
		base, err := p.produce(ctx, first, end)
		tries++
		v := classify(err)
		switch {
		case v == stored:
			if err := p.confirm(ctx); err != nil {
				p.refuse(reasonOf(err), err)
				p.batch.set(first, end, 0, errUnknown)
				return tries
			}
			p.reopen()
			p.batch.set(first, end, base, nil)
			return tries
		case v == oversize && end-first > 1:
			half := (first + end) / 2
			return tries + p.send(ctx, first, half) + p.send(ctx, half, end)
		case v == oversize:
			p.batch.set(first, end, 0, errTooLarge)
			return tries
		case v != unknown && !lost:
			reason := v.reason()
			if schemakafka.IsLogError(err) {
				reason = errLogRefused
			}
			p.refuse(reason, err)
			p.batch.set(first, end, 0, RetryLater(reason))
			return tries
		case schemakafka.IsLogError(err): // the log that may have it is not there any more
			p.refuse(errLogRefused, err)
			p.batch.set(first, end, 0, errUnknown)
			return tries
		case ctx.Err() != nil:
			p.batch.set(first, end, 0, errUnknown)
			return tries
		}
		if lost {
			p.refuse(v.reason(), err)
		}
		lost = true
		p.m.retries.Inc()
		sleep(ctx, wait)
	}
}

// produce writes the records [first, end), unless another log has replaced the batch's log: then nothing is sent.
func (p *partition) produce(ctx context.Context, first, end int) (base int64, err error) {
	if err := p.same(ctx); err != nil {
		return 0, fmt.Errorf("%w: %w", errNotSent, err)
	}
	return p.leader.produce(ctx, p.batch.records(first, end))
}

// confirm checks that the log which acknowledged the batch is the batch's log, and repeats the check until Kafka answers: a connection that
// was made meanwhile may lead to another log.
func (p *partition) confirm(ctx context.Context) error {
	for wait := firstRetry; ; wait = min(4*wait, probeEvery) {
		err := p.same(ctx)
		if err == nil || schemakafka.IsLogError(err) || ctx.Err() != nil {
			return err
		}
		p.refuse(errUnavailable, err)
		sleep(ctx, wait)
	}
}

// same returns nil if the batch's log is the one that answers.
func (p *partition) same(ctx context.Context) error {
	now, err := p.source.verify(ctx)
	if err == nil && now.ID != p.batch.source.ID {
		err = &schemakafka.LogError{Why: fmt.Sprintf("log %v has replaced log %v", now, p.batch.source)}
	}
	return err
}

// reasonOf returns the reason to refuse new writes after an error that happened before anything was sent.
func reasonOf(err error) error {
	if schemakafka.IsLogError(err) {
		return errLogRefused
	}
	return errUnavailable
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
