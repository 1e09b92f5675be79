// Package collector wires the collector, in the same way for its own process and for standalone.
package collector

import (
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/internal/dialect"
	"github.com/activitylog/activitylog/cmd/internal/idempotency"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/ingest/collector"
)

// drainTimeout bounds the wait for acknowledgements when the process stops, which must take less than 10 s in all.
const drainTimeout = 4 * time.Second

// Config has the limits of the collector.
type Config struct {
	MaxBodyBytes int64         `help:"Largest request body in bytes, before and after decompression." env:"MAX_BODY_BYTES"`
	MaxEntries   int           `help:"Most entries in a request." env:"MAX_ENTRIES"`
	MaxPending   int64         `name:"max-pending-bytes" help:"Most bytes of request bodies in memory; beyond it requests get 503." env:"MAX_PENDING_BYTES"`
	AckTimeout   time.Duration `help:"How long a write waits for Kafka's acknowledgement." env:"ACK_TIMEOUT"`
	RateLimit    float64       `help:"Entries per second and tenant; 0: no limit." env:"RATE_LIMIT"`
	RateBurst    int           `help:"Entries that a tenant may send at once; 0: those of one second. A larger batch is accepted, and paid back by waiting." env:"RATE_BURST"`
}

// Needs are the parts of the process that the collector uses.
type Needs struct {
	Topic    string
	Kafka    *kafka.Client
	Dialects dialect.Config
	Keys     idempotency.Config
	Alone    bool // the process serves no reads below /api/v1
}

func (s Config) config(n Needs) collector.Config {
	c := collector.Defaults()
	c.Topic, c.FleetAlways200 = n.Topic, n.Dialects.FleetAlways200
	c.MaxBodyBytes, c.MaxEntries, c.MaxPendingBytes = s.MaxBodyBytes, s.MaxEntries, s.MaxPending
	c.AckTimeout, c.DrainTimeout = s.AckTimeout, drainTimeout
	c.KeyWindow, c.MaxKeys = n.Keys.Window, n.Keys.Max
	c.RateLimit, c.RateBurst = s.RateLimit, s.RateBurst
	return c
}

// Defaults returns the collector's defaults, except that RateBurst stays 0: the burst of one second, whatever RateLimit is.
func (s *Config) Defaults() {
	d := collector.Defaults()
	s.MaxBodyBytes, s.MaxEntries, s.MaxPending, s.AckTimeout = d.MaxBodyBytes, d.MaxEntries, d.MaxPendingBytes, d.AckTimeout
}

// Validate returns everything that is wrong with s. idempotency.Config checks itself.
func (s Config) Validate() error {
	d := collector.Defaults()
	needs := Needs{Topic: d.Topic, Keys: idempotency.Config{Window: d.KeyWindow, Max: d.MaxKeys}}
	var defaults Config
	defaults.Defaults()
	return service.Named(s, defaults, func(s Config) error { return s.config(needs).Validate() })
}

// Part returns the collector. It answers requests at once, and takes entries as soon as Kafka is reachable.
func Part(s Config, n Needs, p *service.Process) service.Part {
	c := collector.New(s.config(n), n.Kafka, p.Log, p.Metrics)
	return service.Part{Name: "collector", Run: c.Run, Ready: c.Ready, Routes: func(r chi.Router) {
		c.Routes(r)
		if n.Alone {
			c.Fallback(r)
		}
	}}
}
