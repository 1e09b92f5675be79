package publish

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// probeEvery is the time between two probes of a broker that is unavailable or whose disk is full.
const probeEvery = 250 * time.Millisecond

// refused returns the reason why p accepts no writes now. The caller holds p.mu. A probe cannot detect a full disk, so one write is let
// through every probeEvery as a test.
func (p *partition) refused() error {
	switch {
	case p.closed:
		return errShuttingDown
	case errors.Is(p.refusal, errDiskFull) && time.Since(p.refusedAt) > probeEvery:
		return nil
	}
	return p.refusal
}

// refuse makes p refuse new writes for the given reason. It fails the queue behind the batch: nothing of the queue was sent.
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

// reopen accepts writes again.
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
	return errors.Is(p.refusal, errUnavailable) || errors.Is(p.refusal, errLogRefused)
}

// recovered probes an unavailable broker, and accepts writes again if the broker answers and has the log.
func (p *partition) recovered(ctx context.Context) bool {
	if !p.unavailable() {
		return true
	}
	if p.leader.probe(ctx) != nil {
		return false
	}
	if _, err := p.source.verify(ctx); err != nil {
		return false
	}
	p.reopen()
	return true
}

// ready returns nil if the partition accepts writes and its leader answers.
func (p *partition) ready(ctx context.Context) error {
	p.mu.Lock()
	err := p.refused()
	p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("kafka: partition %d: %w", p.number, err)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := p.leader.listOffsets(ctx); err != nil {
		return fmt.Errorf("kafka: partition %d: %w", p.number, err)
	}
	return nil
}
