// Package collector wires the collector, in the same way for its own process and for standalone.
package collector

import (
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/ingest/collector"
)

// drainTimeout bounds the wait for acknowledgements when the process stops, which must take less than 10 s in all.
const drainTimeout = 4 * time.Second

// Settings bound what the collector takes in.
type Settings struct {
	MaxBodyBytes int64         `help:"Largest body of a request, before and after decompression." default:"16777216" env:"MAX_BODY_BYTES"`
	MaxEntries   int           `help:"Most entries of a request." default:"100000" env:"MAX_ENTRIES"`
	MaxPending   int64         `name:"max-pending-bytes" help:"All bodies in memory at once; beyond it requests get 503." default:"100663296" env:"MAX_PENDING_BYTES"`
	AckTimeout   time.Duration `help:"How long a caller waits for Kafka's acknowledgement." default:"10s" env:"ACK_TIMEOUT"`
	RateLimit    float64       `help:"Entries a second of each tenant; 0 for no limit." default:"0" env:"RATE_LIMIT"`
	RateBurst    int           `help:"Entries of a tenant at once; 0 for those of one second." default:"0" env:"RATE_BURST"`
}

// Needs are the parts of the process that the collector uses.
type Needs struct {
	Topic    string
	Kafka    *kafka.Client
	Dialects service.Dialects
	Keys     service.Keys
	Alone    bool // the process serves no reads below /api/v1
}

func (s Settings) config(n Needs) collector.Config {
	c := collector.Defaults()
	c.Topic, c.FleetAlways200 = n.Topic, n.Dialects.FleetAlways200
	c.MaxBodyBytes, c.MaxEntries, c.MaxPendingBytes = s.MaxBodyBytes, s.MaxEntries, s.MaxPending
	c.AckTimeout, c.DrainTimeout = s.AckTimeout, drainTimeout
	c.KeyWindow, c.MaxKeys = n.Keys.Window, n.Keys.Max
	c.RateLimit, c.RateBurst = s.RateLimit, s.RateBurst
	return c
}

// Check names everything that is wrong with s. service.Keys checks itself.
func (s Settings) Check() error {
	d := collector.Defaults()
	return s.config(Needs{Topic: d.Topic, Keys: service.Keys{Window: d.KeyWindow, Max: d.MaxKeys}}).Validate()
}

// Part is the collector. It answers requests at once, and takes entries as soon as Kafka is reachable.
func Part(s Settings, n Needs, p *service.Process) service.Part {
	c := collector.New(s.config(n), n.Kafka, p.Log, p.Metrics)
	return service.Part{Name: "collector", Run: c.Run, Ready: c.Ready, Routes: func(r chi.Router) {
		c.Routes(r)
		if n.Alone {
			c.Fallback(r)
		}
	}}
}
