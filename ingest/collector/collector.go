// Package collector takes entries in over HTTP and writes them to Kafka. It answers a write when all in-sync replicas have
// it, never before, with the entries' ids and the position at which they lie. A refusal (503, 507, 429) means that nothing
// of the request was written, unless its text says that this is not known. Entries of one device stay in the order in
// which one client sent them one after the other. While the broker is away every write is refused at once; what was on its
// way then is sent again, byte for byte, until it is settled, so that the log may hold an entry twice, but with one id.
package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"golang.org/x/time/rate"

	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Times of following the topic.
const (
	lookEvery   = 2 * time.Second
	lookRetry   = 250 * time.Millisecond
	lookTimeout = 2 * time.Second
)

// Collector is the write half of the HTTP interface.
type Collector struct {
	cfg    Config
	client *kafka.Client
	log    *slog.Logger
	m      *metrics

	bodies *bodies
	rates  *rates
	keys   *keys
	ids    *ids
	stray  atomic.Uint64
	away   atomic.Int32 // partitions that refuse
	writes sync.Pool

	partitions atomic.Pointer[[]*partition] // nil until the topic is known
	closing    atomic.Bool
}

// New makes a Collector that writes nothing until Run. cfg has had its Defaults and passed Validate.
func New(cfg Config, client *kafka.Client, log *slog.Logger, reg prometheus.Registerer) *Collector {
	m := newMetrics(reg)
	c := &Collector{
		cfg: cfg, client: client, log: log, m: m,
		bodies: &bodies{maxBytes: cfg.MaxBodyBytes, timeout: cfg.BodyTimeout, pending: &budget{limit: cfg.MaxPendingBytes}},
		rates:  &rates{perSecond: rate.Limit(cfg.RateLimit), burst: cfg.RateBurst, tenants: make(map[string]*rate.Limiter)},
		keys:   newKeys(cfg.MaxKeys, cfg.KeyWindow, m),
		ids:    newIDs(client, schemakafka.IDs(cfg.Topic), m),
	}
	c.writes.New = func() any { return newWrite() }
	return c
}

// Routes registers the endpoints of every write dialect.
func (c *Collector) Routes(r chi.Router) {
	c.fleet().routes(r)
	c.audit().routes(r)
}

// Run writes what the endpoints take in. It waits for Kafka and its topics for as long as they are away. When ctx ends it
// refuses new writes, settles what was taken in and returns nil; what Kafka has not answered within the drain timeout is
// answered as unknown.
func (c *Collector) Run(ctx context.Context) error {
	live, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var leases, writers sync.WaitGroup
	leases.Go(func() { c.ids.run(live) })
	c.follow(ctx, func(p *partition) { writers.Go(func() { p.run(live) }) })

	c.closing.Store(true)
	for _, p := range c.all() {
		p.close()
	}
	limit := time.AfterFunc(c.cfg.DrainTimeout, stop)
	writers.Wait()
	limit.Stop()
	stop()
	leases.Wait()
	return nil
}

func (c *Collector) all() []*partition {
	if p := c.partitions.Load(); p != nil {
		return *p
	}
	return nil
}

// follow starts a writer for each partition of the topic, also for those that it gets later, until ctx ends.
func (c *Collector) follow(ctx context.Context, start func(*partition)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	waiting := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		n, err := c.count(ctx)
		next := lookEvery
		switch {
		case err == nil:
			c.grow(n, start)
			waiting = false
		case len(c.all()) == 0:
			next = lookRetry
			if !waiting && ctx.Err() == nil {
				c.log.Warn("waiting for Kafka", "topic", c.cfg.Topic, "cause", err)
			}
			waiting = true
		}
		timer.Reset(next)
	}
}

func (c *Collector) count(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	n, err := schemakafka.Partitions(ctx, c.client, c.cfg.Topic)
	if err != nil {
		return 0, fmt.Errorf("count partitions: %w", err)
	}
	return n, nil
}

func (c *Collector) grow(n int, start func(*partition)) {
	have := c.all()
	if n <= len(have) {
		return
	}
	grown := append([]*partition(nil), have...)
	for i := len(have); i < n; i++ {
		p := c.newPartition(i)
		grown = append(grown, p)
		start(p)
	}
	c.partitions.Store(&grown)
	c.log.Info("writing", "topic", c.cfg.Topic, "partitions", n)
}

func (c *Collector) newPartition(number int) *partition {
	p := &partition{
		number: number, topic: c.cfg.Topic, now: c.cfg.Now, client: c.client, ids: c.ids, keys: c.keys, m: c.m, log: c.log,
		refusing: c.m.refusingOf(number), away: &c.away, maxBytes: c.cfg.QueueBytes, maxChunks: c.cfg.QueueChunks, kick: make(chan struct{}, 1),
	}
	p.refusing.Set(0)
	return p
}

// Ready is nil when a write would be taken now, else what is in its way.
func (c *Collector) Ready(ctx context.Context) error {
	partitions := c.all()
	switch {
	case c.closing.Load():
		return errors.New("shutting down")
	case len(partitions) == 0:
		return fmt.Errorf("kafka: topic %s is not there yet", c.cfg.Topic)
	}
	if err := c.ids.ready(); err != nil {
		return fmt.Errorf("kafka: no ids from topic %s: %w", schemakafka.IDs(c.cfg.Topic), err)
	}
	for _, p := range partitions {
		if err := p.ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// begin is an empty write for a request of the tenant.
func (c *Collector) begin(tenant string) (*write, error) {
	partitions := c.all()
	switch {
	case c.closing.Load():
		return nil, later(errClosing)
	case len(partitions) == 0:
		return nil, later(errAway)
	}
	if err := c.ids.ready(); err != nil {
		return nil, later(err)
	}
	if int(c.away.Load()) >= len(partitions) { // no need to read the body to refuse it
		if err := partitions[0].admit(0); err != nil {
			return nil, later(err)
		}
	}
	w := c.writes.Get().(*write)
	w.reset(tenant, c.cfg.Now().UnixMilli(), len(partitions), int(c.stray.Add(1)&0xffff))
	return w, nil
}

// end gives w's memory back unless a partition may still use it.
func (c *Collector) end(w *write) {
	if !w.queued && len(w.chunks) <= keptChunks {
		c.writes.Put(w)
	}
}

// publish queues the chunks of w and waits until they are in the log. An error means that nothing was queued;
// what became of each entry is for its item to say.
func (c *Collector) publish(ctx context.Context, w *write) error {
	if err := c.rates.admit(w.tenant, len(w.items)); err != nil {
		c.keys.abort(w, errAborted)
		return err
	}
	w.dropEmpty()
	partitions := c.all()
	for i, ch := range w.chunks {
		if err := partitions[ch.partition].admit(ch.Size()); err != nil {
			for _, taken := range w.chunks[:i] {
				partitions[taken.partition].release(taken.Size())
			}
			c.keys.abort(w, errAborted)
			return later(err)
		}
	}
	w.left.Store(int32(len(w.chunks)))
	w.queued = len(w.chunks) > 0
	for _, ch := range w.chunks {
		partitions[ch.partition].push(ch)
	}
	w.wait(ctx, c.cfg.AckTimeout)
	return nil
}
