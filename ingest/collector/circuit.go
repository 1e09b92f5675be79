package collector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// Times of finding out whether a broker is there.
const (
	quietAfter   = 10 * time.Millisecond // a broker silent for so long is asked for a sign before it gets a batch
	probeEvery   = 250 * time.Millisecond
	probeTimeout = time.Second
	deadConns    = 8 // idle connections that may turn out to be broken before one is dialled
)

// refused is why p takes nothing now. A full disk shows in no probe, so that a write is let through now and then to try.
func (p *partition) refused() error {
	switch {
	case p.closed:
		return errClosing
	case errors.Is(p.refusal, errFull) && time.Since(p.refusedAt) > probeEvery:
		return nil
	}
	return p.refusal
}

// errSilent is a broker that gave no sign of life, so that nothing was sent to it.
var errSilent = errors.New("broker does not answer")

// sound asks the partition's leader for a sign of life.
func (p *partition) sound(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var err error
	for range deadConns {
		if err = p.ask(ctx); err == nil {
			p.heard = time.Now()
			return nil
		}
		if ctx.Err() != nil || judge(err) != unsure {
			break
		}
	}
	return fmt.Errorf("%w: partition %d: %w", errSilent, p.number, err)
}

func (p *partition) ask(ctx context.Context) error {
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

// refuse makes p take no new writes for the reason why, and gives up what waits behind the batch: none of it was sent.
func (p *partition) refuse(why, cause error) {
	p.mu.Lock()
	begin := p.refusal == nil
	p.refusal, p.refusedAt = why, time.Now()
	waiting := p.queue
	p.queue = nil
	p.mu.Unlock()
	if begin {
		p.refusing.Set(1)
		p.away.Add(1)
		p.log.Warn("writes are refused", "partition", p.number, "reason", why, "cause", cause)
	}
	for _, c := range waiting {
		p.finish(c, later(why))
	}
}

// reopen takes writes again.
func (p *partition) reopen() {
	p.mu.Lock()
	was := p.refusal != nil
	p.refusal = nil
	p.mu.Unlock()
	if was {
		p.refusing.Set(0)
		p.away.Add(-1)
		p.log.Info("writes are taken again", "partition", p.number)
	}
}

func (p *partition) isAway() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Is(p.refusal, errAway)
}

// recovered probes the broker and takes writes again if it answers.
func (p *partition) recovered(ctx context.Context) bool {
	if !p.isAway() {
		return true
	}
	if p.sound(ctx) != nil {
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
	if err := p.ask(ctx); err != nil {
		return fmt.Errorf("kafka: partition %d: %w", p.number, err)
	}
	return nil
}
