package collector

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
)

// Times of one partition's dealings with its broker.
const (
	produceTimeout = 10 * time.Second
	idsPatience    = 2 * time.Second
	stallAfter     = 2 * time.Second // a batch unanswered for so long: new writes are refused
	firstRetry     = 10 * time.Millisecond
)

// partition writes to one partition of the topic. Everything that waits goes out as one batch, and the next batch goes out
// when that one is settled, so that the ids of one block only grow in the log.
type partition struct {
	number   int
	topic    string
	client   *kafka.Client
	ids      *ids
	keys     *keys
	m        *metrics
	refusing prometheus.Gauge
	away     *atomic.Int32 // partitions that refuse
	log      *slog.Logger

	maxBytes  int64
	maxChunks int
	now       func() time.Time // stamps records

	mu        sync.Mutex // guards what follows
	queue     []*chunk
	held      int64 // bytes queued and in flight
	refusal   error // why new writes are not taken
	refusedAt time.Time
	sentAt    time.Time // of the batch in flight; zero without one
	closed    bool

	kick  chan struct{}
	batch batch     // of the loop
	heard time.Time // of the loop: the last good answer of the broker
}

// admit reserves room for size bytes, or says why not. What was admitted must be pushed or released.
func (p *partition) admit(size int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refused(); err != nil {
		return err
	}
	switch {
	case !p.sentAt.IsZero() && time.Since(p.sentAt) > stallAfter:
		return errAway
	case p.held > 0 && (p.held+int64(size) > p.maxBytes || len(p.queue) >= p.maxChunks):
		return errBusy
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

// push queues a chunk that was admitted. It settles it at once if p has begun to refuse meanwhile.
func (p *partition) push(c *chunk) {
	p.mu.Lock()
	err := p.refused()
	if err == nil {
		p.queue = append(p.queue, c)
	}
	p.mu.Unlock()
	if err != nil {
		p.finish(c, later(err))
		return
	}
	p.wake()
}

func (p *partition) wake() {
	select {
	case p.kick <- struct{}{}:
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

// run writes until close. When ctx ends before that, what is not settled then is given up.
func (p *partition) run(ctx context.Context) {
	probe := time.NewTicker(probeEvery)
	defer probe.Stop()
	probe.Stop()
	for {
		switch more := p.next(); {
		case len(p.batch.chunks) > 0:
			p.commit(ctx)
			continue
		case !more:
			return
		}
		if p.isAway() {
			probe.Reset(probeEvery)
		}
		select {
		case <-p.kick:
		case <-probe.C:
			if p.recovered(ctx) {
				probe.Stop()
			}
		}
	}
}

// next moves what waits into the batch, up to its limit; false when p is closed and nothing waits.
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

// commit writes the batch and settles its chunks.
func (p *partition) commit(ctx context.Context) {
	b := &p.batch
	patience, cancel := context.WithTimeout(ctx, idsPatience)
	err := b.assign(patience, p.ids)
	cancel()
	if err != nil {
		p.refuse(errAway, err)
		for _, c := range b.chunks {
			p.finish(c, later(errAway))
		}
		return
	}
	start := time.Now()
	b.pack(p.now())
	p.m.batchEntries.Observe(float64(b.entries))
	p.m.batchBytes.Observe(float64(len(b.buf)))
	p.markSent(start)
	if tries := p.send(ctx, 0, len(b.ends)); tries > 1 {
		b.buf = nil // a try that was given up may still be reading it
	}
	p.markSent(time.Time{})
	p.m.produce.Observe(time.Since(start).Seconds())
	for _, c := range b.chunks {
		c.offset = b.offsets[c.record]
		p.finish(c, b.errs[c.record])
	}
	clear(b.chunks)
}

func (p *partition) markSent(at time.Time) {
	p.mu.Lock()
	p.sentAt = at
	p.mu.Unlock()
}

func (p *partition) finish(c *chunk, err error) {
	size := c.Size() // c may be reused once it is settled
	c.settle(p.keys, err)
	p.release(size)
}

// send writes the records from first to before end of the batch and notes what became of them. A try whose answer was
// lost is repeated until one is answered. It returns how often it tried.
func (p *partition) send(ctx context.Context, first, end int) (tries int) {
	lost := false
	for wait := firstRetry; ; wait = min(4*wait, probeEvery) {
		base, err := p.produce(ctx, first, end)
		tries++
		v := judge(err)
		switch {
		case v == stored:
			p.reopen()
			p.batch.set(first, end, base, nil)
			return tries
		case v == oversize && end-first > 1:
			half := (first + end) / 2
			return tries + p.send(ctx, first, half) + p.send(ctx, half, end)
		case v == oversize:
			p.batch.set(first, end, 0, errTooBig)
			return tries
		case v != unsure && !lost:
			p.refuse(reason(v), err)
			p.batch.set(first, end, 0, later(reason(v)))
			return tries
		case ctx.Err() != nil:
			p.batch.set(first, end, 0, later(errUnknown))
			return tries
		}
		if lost {
			p.refuse(reason(v), err)
		}
		lost = true
		p.m.retries.Inc()
		sleep(ctx, wait)
	}
}

func reason(v verdict) error {
	if v == full {
		return errFull
	}
	return errAway
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (p *partition) produce(ctx context.Context, first, end int) (base int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	// A request that goes into a dead idle connection seems sent, and then nobody knows whether it was. So a broker that
	// has been silent is asked something harmless first.
	if time.Since(p.heard) > quietAfter {
		if err := p.sound(ctx); err != nil {
			return 0, err
		}
	}
	res, err := p.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: p.topic, Partition: p.number, RequiredAcks: kafka.RequireAll, Records: p.batch.records(first, end),
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		p.heard = time.Time{}
		return 0, fmt.Errorf("write to partition %d: %w", p.number, err)
	}
	p.heard = time.Now()
	return res.BaseOffset, nil
}
