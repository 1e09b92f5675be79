package publish

import (
	"context"
	"fmt"
	"time"

	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Intervals of looking for new partitions, and at the log.
const (
	lookEvery   = 2 * time.Second
	lookRetry   = 250 * time.Millisecond // while there is no partition yet, or the log is refused
	lookSoon    = 50 * time.Millisecond  // while no consumer has compared the log with the tables
	lookTimeout = 2 * time.Second
)

func (p *Publisher) all() []*partition {
	if all := p.partitions.Load(); all != nil {
		return *all
	}
	return nil
}

// follow starts a writer for each partition of the topic, also for those that are added later, until ctx ends.
func (p *Publisher) follow(ctx context.Context, start func(*partition)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	waiting := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		n, err := p.count(ctx)
		next := lookEvery
		switch {
		case err == nil:
			p.grow(n, start)
			waiting = false
		case len(p.all()) == 0:
			next = lookRetry
			if !waiting && ctx.Err() == nil {
				p.log.Warn("waiting for kafka", "topic", p.cfg.Topic, "error", err)
			}
			waiting = true
		}
		timer.Reset(next)
	}
}

func (p *Publisher) count(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	n, err := schemakafka.Partitions(ctx, p.client, p.cfg.Topic)
	if err != nil {
		return 0, fmt.Errorf("count partitions: %w", err)
	}
	return n, nil
}

// grow adds partitions until there are n.
func (p *Publisher) grow(n int, start func(*partition)) {
	have := p.all()
	if n <= len(have) {
		return
	}
	grown := append([]*partition(nil), have...)
	for i := len(have); i < n; i++ {
		part := p.newPartition(i)
		grown = append(grown, part)
		start(part)
	}
	p.partitions.Store(&grown)
	p.log.Info("publishing to partitions", "topic", p.cfg.Topic, "partitions", n)
}

func (p *Publisher) newPartition(number int) *partition {
	part := &partition{
		number: number, leader: leader{client: p.client, topic: p.cfg.Topic, partition: number}, source: p.source, now: p.cfg.Now, ids: p.ids, keys: p.keys, m: p.m, log: p.log,
		gauge: p.m.refusingOf(number), refusing: &p.refusing, maxBytes: p.cfg.QueueBytes, maxChunks: p.cfg.QueueChunks, wakeup: make(chan struct{}, 1),
	}
	part.gauge.Set(0)
	return part
}
