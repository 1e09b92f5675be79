package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// Times of checking a broker.
const (
	quietAfter   = 10 * time.Millisecond // a broker that has been silent for so long is probed before it gets a batch
	probeEvery   = 250 * time.Millisecond
	probeTimeout = time.Second
	deadConns    = 8 // idle connections that may turn out to be broken before one is dialled
)

// errNoAnswer is a broker that did not answer a probe, so that nothing was sent to it.
var errNoAnswer = errors.New("broker does not answer")

// refused is why p takes no writes now. The caller holds p.mu. No probe shows a full disk, so one write is let through
// every probeEvery to try it.
func (p *partition) refused() error {
	switch {
	case p.closed:
		return errShuttingDown
	case errors.Is(p.refusal, errDiskFull) && time.Since(p.refusedAt) > probeEvery:
		return nil
	}
	return p.refusal
}

// refuse makes p refuse new writes for the given reason. It fails the queue behind the batch: none of that was sent.
func (p *partition) refuse(reason, cause error) {
	p.mu.Lock()
	begin := p.refusal == nil
	p.refusal, p.refusedAt = reason, time.Now()
	waiting := p.queue
	p.queue = nil
	p.mu.Unlock()
	if begin {
		p.gauge.Set(1)
		p.refusing.Add(1)
		p.log.Warn("publish failed", "partition", p.number, "reason", reason, "error", cause)
	}
	for _, c := range waiting {
		p.finish(c, RetryLater(reason))
	}
}

// reopen takes writes again.
func (p *partition) reopen() {
	p.mu.Lock()
	was := p.refusal
	p.refusal = nil
	p.mu.Unlock()
	if was == nil {
		return
	}
	p.gauge.Set(0)
	p.refusing.Add(-1)
	if errors.Is(was, errDiskFull) {
		p.log.Info("kafka disk has space again", "partition", p.number)
		return
	}
	p.log.Info("kafka reachable again", "partition", p.number)
}

func (p *partition) unavailable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Is(p.refusal, errUnavailable)
}

// recovered probes an unavailable broker and takes writes again if it answers.
func (p *partition) recovered(ctx context.Context) bool {
	if !p.unavailable() {
		return true
	}
	if p.probe(ctx) != nil {
		return false
	}
	p.reopen()
	return true
}

// ready is nil when the partition takes writes and its leader answers.
func (p *partition) ready(ctx context.Context) error {
	p.mu.Lock()
	err := p.refused()
	p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("kafka: partition %d: %w", p.number, err)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := p.listOffsets(ctx); err != nil {
		return fmt.Errorf("kafka: partition %d: %w", p.number, err)
	}
	return nil
}

// probe checks that the partition's leader answers. It tries several connections, because idle ones may be broken.
func (p *partition) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var err error
	for range deadConns {
		if err = p.listOffsets(ctx); err == nil {
			p.answered = time.Now()
			return nil
		}
		if ctx.Err() != nil || classify(err) != unknown {
			break
		}
	}
	return fmt.Errorf("%w: partition %d: %w", errNoAnswer, p.number, err)
}

// listOffsets is a request that changes nothing and that only the leader answers.
func (p *partition) listOffsets(ctx context.Context) error {
	res, err := p.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{p.topic: {kafka.LastOffsetOf(p.number)}},
	})
	if err != nil {
		return fmt.Errorf("list offsets: %w", err)
	}
	for _, o := range res.Topics[p.topic] {
		if o.Error != nil {
			return fmt.Errorf("list offsets: %w", o.Error)
		}
	}
	return nil
}
