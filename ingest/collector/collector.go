// Package collector takes entries in over HTTP and writes them to Kafka. It answers a write when all in-sync replicas have
// it, never before, with the entries' ids and their position in the log. A refusal (503, 507, 429) means that nothing
// of the request was written; 504 means that this is not known. Entries of one device stay in the order in
// which one client sent them one after the other. While the broker is unavailable every write is refused at once. A write
// whose acknowledgement was lost is sent again, byte for byte, until it is acknowledged: the log may hold an entry twice,
// but with one id.
package collector

import (
	"context"
	"log/slog"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/ingest/collector/internal/publish"
)

// Collector serves the writes of the HTTP interface.
type Collector struct {
	cfg       Config
	log       *slog.Logger
	m         *metrics
	bodies    *bodies
	publisher *publish.Publisher
}

// New makes a Collector that writes nothing until Run. cfg has passed Validate.
func New(cfg Config, client *kafka.Client, log *slog.Logger, reg prometheus.Registerer) *Collector {
	return &Collector{
		cfg: cfg, log: log, m: newMetrics(reg),
		bodies: newBodies(cfg.MaxBodyBytes, cfg.MaxPendingBytes, cfg.Now),
		publisher: publish.New(publish.Config{
			Topic: cfg.Topic, QueueBytes: cfg.QueueBytes, QueueChunks: cfg.QueueChunks,
			AckTimeout: cfg.AckTimeout, DrainTimeout: cfg.DrainTimeout, KeyWindow: cfg.KeyWindow, MaxKeys: cfg.MaxKeys,
			RateLimit: cfg.RateLimit, RateBurst: cfg.burst(), Now: cfg.Now,
		}, client, log, reg),
	}
}

// Routes registers the endpoints of every write dialect.
func (c *Collector) Routes(r chi.Router) {
	c.fleet().routes(r)
	c.audit().routes(r)
}

// Run writes the accepted requests to Kafka. It waits for Kafka and its topics for as long as they are unavailable. When ctx ends it
// refuses new writes, completes those that it has begun, and returns nil. A write that Kafka does not acknowledge within the drain timeout
// is answered with an unknown outcome.
func (c *Collector) Run(ctx context.Context) error {
	c.publisher.Run(ctx)
	return nil
}

// Ready returns nil if a write would be accepted now, otherwise the reason why not.
func (c *Collector) Ready(ctx context.Context) error { return c.publisher.Ready(ctx) }
