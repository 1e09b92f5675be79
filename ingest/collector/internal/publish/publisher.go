// Package publish writes the entries of requests to a topic of Kafka. Publish returns when all in-sync replicas have them,
// with their ids and their position. While a partition's broker is unavailable or its disk is full, it refuses requests at
// once. A batch whose acknowledgement was lost is sent again, byte for byte, until it is acknowledged: the log may hold an
// entry twice, but with one id. Within one block, ids grow in each partition.
package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Config says how a Publisher writes. Every field but RateLimit is required.
type Config struct {
	Topic        string
	QueueBytes   int64         // waiting for one partition
	QueueChunks  int           // waiting for one partition: parts of requests
	AckTimeout   time.Duration // of a caller's wait for Kafka
	DrainTimeout time.Duration // of the wait for Kafka after Run's context has ended

	KeyWindow time.Duration // how long an event key is remembered
	MaxKeys   int           // how many are

	RateLimit float64 // entries a second of each tenant; 0: no limit
	RateBurst int     // entries at once

	Now func() time.Time // the clock of the records' times
}

// Publisher writes requests to the partitions of a topic.
type Publisher struct {
	cfg    Config
	source *source
	client *kafka.Client // of source, which counts its connections
	log    *slog.Logger
	m      *metrics

	quota   *quota
	keys    *keys
	ids     *ids
	jobs    sync.Pool
	unkeyed atomic.Uint64 // requests; spreads entries without device and actor over the partitions

	refusing   atomic.Int32                 // number of partitions that refuse writes
	partitions atomic.Pointer[[]*partition] // nil until the topic is known
	closing    atomic.Bool
}

// New makes a Publisher that writes nothing until Run.
func New(cfg Config, client *kafka.Client, log *slog.Logger, reg prometheus.Registerer) *Publisher {
	m := newMetrics(reg)
	s := newSource(client, cfg.Topic, m, log)
	p := &Publisher{
		cfg: cfg, source: s, client: s.Client(), log: log, m: m,
		quota: newQuota(cfg.RateLimit, cfg.RateBurst),
		keys:  newKeys(cfg.MaxKeys, cfg.KeyWindow, m),
		ids:   newIDs(s, schemakafka.IDs(cfg.Topic), m),
	}
	s.changed = p.ids.begin
	p.jobs.New = func() any { return newJob() }
	return p
}

// Entries are the entries of one request in their order.
type Entries interface {
	// Next goes to the next entry. It returns false after the last one.
	Next() bool
	// Entry returns the current entry, or the reason why it cannot be accepted. An entry with an event id is written once; a repeat of it
	// has the same bodyHash. The strings of e are valid until Next is called again.
	Entry() (e *schema.Entry, eventID string, bodyHash uint64, fault error)
	// Close releases the memory of the entries. An error means that none of them may be written.
	Close() error
}

// Request has the entries that a caller wants to write.
type Request struct {
	Tenant     string
	ReceivedAt int64 // Unix ms
	Entries    Entries
	Single     bool   // one entry, not a batch of one
	EventField string // the caller's name of an event id, for faults
}

// Available returns nil if a request would be accepted now, otherwise the error that refuses it.
func (p *Publisher) Available() error {
	partitions := p.all()
	switch {
	case p.closing.Load():
		return RetryLater(errShuttingDown)
	case len(partitions) == 0:
		return RetryLater(errUnavailable)
	}
	if _, err := p.source.current(); err != nil {
		return RetryLater(errLogRefused)
	}
	if err := p.ids.ready(); err != nil {
		return RetryLater(err)
	}
	if int(p.refusing.Load()) >= len(partitions) {
		if err := partitions[0].admit(0); err != nil {
			return RetryLater(err)
		}
	}
	return nil
}

// Publish writes the entries of a request and waits until they are in the log. It closes the entries before it waits.
// An error without a result means that nothing was written, or, if it is a schema.ErrTimeout, that this is not known. Both a result and an
// error are returned for a batch without an accepted entry.
func (p *Publisher) Publish(ctx context.Context, req Request) (*Result, error) {
	partitions := p.all()
	if len(partitions) == 0 {
		_ = req.Entries.Close() // the refusal is more important than this error
		return nil, RetryLater(errUnavailable)
	}
	j := p.jobs.Get().(*job)
	defer p.release(j)
	j.reset(req.Tenant, req.ReceivedAt, len(partitions), int(p.unkeyed.Add(1)&0xffff))
	err := j.collect(req, p.keys)
	if err == nil {
		err = p.enqueue(j, partitions)
	}
	if err != nil {
		p.keys.abort(j, errAborted)
		return nil, err
	}
	j.wait(ctx, p.cfg.AckTimeout)
	if req.Single {
		return p.singleResult(&j.items[0])
	}
	return p.batchResult(j)
}

// enqueue gives the chunks of j to their partitions: all of them, or none and an error. Refused chunks do not count against the tenant's
// quota, because it can take long until the quota of a large batch is available again.
func (p *Publisher) enqueue(j *job, partitions []*partition) error {
	j.dropEmpty()
	release := func(chunks []*chunk) {
		for _, c := range chunks {
			partitions[c.partition].release(c.Size())
		}
	}
	for i, c := range j.chunks {
		if err := partitions[c.partition].admit(c.Size()); err != nil {
			release(j.chunks[:i])
			return RetryLater(err)
		}
	}
	if err := p.quota.admit(j.tenant, len(j.items)); err != nil {
		release(j.chunks)
		return err
	}
	j.left.Store(int32(len(j.chunks)))
	j.queued = len(j.chunks) > 0
	for _, c := range j.chunks {
		partitions[c.partition].push(c)
	}
	return nil
}

// release keeps the memory of j for another request, unless a partition may still use it.
func (p *Publisher) release(j *job) {
	if !j.queued && len(j.chunks) <= keptChunks {
		p.jobs.Put(j)
	}
}

// Run writes the requests that were passed to Publish. It waits for Kafka and its topics for as long as they are unavailable. When ctx ends
// it refuses new requests, completes those that it has and returns. What Kafka has not acknowledged within the drain timeout has an unknown
// outcome.
func (p *Publisher) Run(ctx context.Context) {
	live, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer p.source.Close()
	var leases, writers sync.WaitGroup
	leases.Go(func() { p.ids.run(live) })
	leases.Go(func() { p.source.run(live) })
	p.follow(ctx, func(part *partition) { writers.Go(func() { part.run(live) }) })

	p.closing.Store(true)
	for _, part := range p.all() {
		part.close()
	}
	limit := time.AfterFunc(p.cfg.DrainTimeout, stop)
	writers.Wait()
	limit.Stop()
	stop()
	leases.Wait()
}

// Ready returns nil when requests are taken and the leader of every partition answers.
func (p *Publisher) Ready(ctx context.Context) error {
	partitions := p.all()
	switch {
	case p.closing.Load():
		return errors.New("shutting down")
	case len(partitions) == 0:
		return fmt.Errorf("kafka: topic %s does not exist yet", p.cfg.Topic)
	}
	if _, err := p.source.current(); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if err := p.ids.ready(); err != nil {
		return fmt.Errorf("kafka: no ids from topic %s: %w", schemakafka.IDs(p.cfg.Topic), err)
	}
	for _, part := range partitions {
		if err := part.ready(ctx); err != nil {
			return err
		}
	}
	return nil
}
