package consumer

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/ingest/consumer/internal/health"
	"github.com/activitylog/activitylog/ingest/consumer/internal/repeat"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// generation is a generation of the group in which this member owns partitions.
type generation struct {
	*Consumer
	member member
	source *schemakafka.Log
	stop   context.Context // ends when the process must end
	own    context.Context // ends when the partitions no longer belong to this member
	disown context.CancelFunc
	active sync.WaitGroup // partitions
}

// ending says when a partition stops.
type ending struct {
	begin context.Context // once it has ended, no other batch begins
	stop  context.Context // once it has ended, no more is stored than the log holds at that moment
}

// start runs a goroutine for each of the generation's partitions. For kafka-go the generation ends when the first of them returns:
// when the process must end, each waits for the others.
func (c *Consumer) start(stop context.Context, of *kafka.Generation, source *schemakafka.Log, workers *sync.WaitGroup) {
	assigned := of.Assignments[c.cfg.Topic]
	c.log.Info("partitions assigned", slog.Int("generation", int(of.ID)), slog.Int("partitions", len(assigned)))
	g := &generation{Consumer: c, member: member{generation: int(of.ID), id: of.MemberID}, source: source, stop: stop}
	g.own, g.disown = context.WithCancel(context.WithoutCancel(stop))
	g.active.Add(len(assigned))
	numbers := make([]int, 0, len(assigned))
	for _, a := range assigned {
		numbers = append(numbers, a.ID)
	}
	c.health.Keep(numbers)
	workers.Add(1)
	of.Start(func(over context.Context) {
		defer workers.Done()
		g.attend(over)
	})
	for _, a := range assigned {
		p := c.partition(a.ID, g.member, len(assigned), source)
		workers.Add(1)
		of.Start(func(over context.Context) {
			defer workers.Done()
			g.work(over, p)
			if stop.Err() != nil {
				g.active.Wait()
			}
		})
	}
}

// attend lets the partitions store while they belong to this member. If another log has replaced the generation's, they stop at once. After
// the end of the generation they still belong to this member until it joins the next one: the other members wait for it, so it can complete
// the current batch. Otherwise the next owner would have to store that batch again.
func (g *generation) attend(over context.Context) {
	done := make(chan struct{})
	go func() { defer close(done); g.active.Wait() }()
	defer func() { g.disown(); <-done }()
	watching, enough := context.WithCancel(over)
	defer enough()
	// When the process is to end, kafka-go ends the generation with the first partition that ends. A member may have none.
	defer context.AfterFunc(g.stop, func() { <-done; enough() })()
	if g.watchLog(watching, g.source) {
		return
	}
	// The group waits for one session timeout, of which up to a quarter has passed already.
	ctx, cancel := context.WithTimeout(g.own, g.cfg.SessionTimeout/2)
	defer cancel()
	beat := time.NewTicker(g.cfg.SessionTimeout / 4)
	defer beat.Stop()
	for {
		select {
		case <-done:
			return
		default:
		}
		if !g.awaited(ctx) {
			return
		}
		select {
		case <-done:
			return
		case <-beat.C:
		}
	}
}

// awaited reports whether this member still belongs to the group: a removed member owns no partition.
func (g *generation) awaited(ctx context.Context) bool {
	err := attempt(ctx, g.cfg.SessionTimeout/4, func(ctx context.Context) error {
		res, err := g.client.Heartbeat(ctx, &kafka.HeartbeatRequest{
			GroupID: g.group, GenerationID: int32(g.member.generation), MemberID: g.member.id,
		})
		if err == nil {
			err = res.Error
		}
		return err
	})
	return err == nil || errors.Is(err, kafka.RebalanceInProgress)
}

// work stores p until the generation is over or the process must end. It begins no batch after half of the drain timeout, and interrupts
// the current one after the whole timeout.
func (g *generation) work(over context.Context, p *partition) {
	defer g.active.Done()
	p.since = g.watch.add(p)
	defer p.metric.remove()
	defer g.watch.remove(p)
	ctx, cancel := context.WithCancel(g.own)
	defer cancel()
	begin, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(over, end)()
	defer context.AfterFunc(g.stop, func() {
		pause(ctx, g.cfg.DrainTimeout/2)
		end()
		pause(ctx, g.cfg.DrainTimeout/2)
		cancel()
	})()
	err := p.run(ctx, ending{begin: begin, stop: g.stop})
	switch {
	case errors.Is(err, errFenced):
		g.metrics.refused.Inc()
		p.log.WarnContext(ctx, "partition taken over by another member", slog.Any("error", err))
	case err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled):
		p.log.ErrorContext(ctx, "partition failed", slog.Any("error", err))
		pause(begin, 300*time.Millisecond) // the cause may last
	}
}

func (c *Consumer) partition(number int, m member, of int, source *schemakafka.Log) *partition {
	maxBytes := max(1<<20, min(c.cfg.MaxBytes, c.cfg.MemoryBytes/(2*of))) // one batch is written while the next one is filled
	log := c.log.With(slog.Int("partition", number))
	return &partition{
		Consumer: c, number: number, member: m, source: source, log: log, metric: c.metrics.of(number),
		limits: limits{entries: c.cfg.MaxRows, bytes: maxBytes},
		keys:   repeat.Keys{Window: c.cfg.KeyWindow, Max: c.cfg.MaxKeys},
		fetch: &fetcher{
			Reader: schemakafka.Reader{
				Client: c.client, Topic: c.cfg.Topic, Partition: number, MaxBytes: int64(min(4<<20, maxBytes)), Wait: 250 * time.Millisecond,
			},
			source: source,
			report: func(err error) {
				c.health.SetFor(health.User{Dependency: health.Kafka, Partition: number, Purpose: "fetch"}, err)
			},
			batches: make(chan fetchBatch, 1),
		},
	}
}
