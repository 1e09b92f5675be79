// Package collector wires the collector, alike in its own process and in standalone.
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

// drainTime leaves writes under way time to be acknowledged, within the 10 s that a process has.
const drainTime = 4 * time.Second

// Config bound what the collector takes in.
type Config struct {
	MaxBodyBytes int64         `help:"Largest request body in bytes, before and after decompression." env:"MAX_BODY_BYTES"`
	MaxEntries   int           `help:"Most entries in a request." env:"MAX_ENTRIES"`
	MaxPending   int64         `name:"max-pending-bytes" help:"Most bytes of request bodies in memory; beyond it requests get 503." env:"MAX_PENDING_BYTES"`
	AckTimeout   time.Duration `help:"How long a write waits for Kafka's acknowledgement." env:"ACK_TIMEOUT"`
	RateLimit    float64       `help:"Entries per second and tenant; 0: no limit." env:"RATE_LIMIT"`
	RateBurst    int           `help:"Entries that a tenant may send at once; 0: those of one second." env:"RATE_BURST"`
}

// Needs are what the collector stands on.
type Needs struct {
	Topic    string
	Kafka    *kafka.Client
	Dialects dialect.Config
	Keys     idempotency.Config
	Alone    bool // nobody else in the process answers below /api/v1
}

func (s Config) config(n Needs) collector.Config {
	c := collector.Config{
		Topic: n.Topic, FleetAlways200: n.Dialects.FleetAlways200,
		MaxBodyBytes: s.MaxBodyBytes, MaxEntries: s.MaxEntries, MaxPendingBytes: s.MaxPending, AckTimeout: s.AckTimeout,
		KeyWindow: n.Keys.Window, MaxKeys: n.Keys.Max, DrainTimeout: drainTime, RateLimit: s.RateLimit, RateBurst: s.RateBurst,
	}
	c.Defaults()
	return c
}

// Defaults are those of the collector, except that RateBurst stays 0: the burst of one second, whatever RateLimit is.
func (s *Config) Defaults() {
	var d collector.Config
	d.Defaults()
	s.MaxBodyBytes, s.MaxEntries, s.MaxPending, s.AckTimeout = d.MaxBodyBytes, d.MaxEntries, d.MaxPendingBytes, d.AckTimeout
}

// Validate says what is wrong with s.
func (s Config) Validate() error {
	c := s.config(Needs{Topic: "activity"})
	return c.Validate()
}

// Part is the collector. It takes requests at once, and entries as soon as Kafka is there.
func Part(s Config, n Needs, p *service.Process) service.Part {
	c := collector.New(s.config(n), n.Kafka, p.Log, p.Metrics)
	return service.Part{Name: "collector", Run: c.Run, Ready: c.Ready, Routes: func(r chi.Router) {
		c.Routes(r)
		if n.Alone {
			c.Elsewhere(r)
		}
	}}
}
