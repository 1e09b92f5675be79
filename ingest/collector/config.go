package collector

import (
	"errors"
	"fmt"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// Config says what a Collector takes in and where it writes. Begin with Defaults.
type Config struct {
	Topic string // of the entries

	MaxBodyBytes int64 // of one request's body, compressed and decompressed each
	MaxEntries   int   // of one request

	MaxPendingBytes int64         // of all bodies in memory at once
	QueueBytes      int64         // waiting for one partition
	QueueChunks     int           // waiting for one partition: parts of requests
	AckTimeout      time.Duration // of a caller's wait for Kafka
	DrainTimeout    time.Duration // of the wait for Kafka when stopping

	KeyWindow time.Duration // how long an idempotency key or event id is remembered
	MaxKeys   int           // how many are

	RateLimit float64 // entries a second of each tenant; 0: no limit
	RateBurst int     // entries at once; 0: those of one second

	FleetAlways200 bool // the fleet dialect answers everything with HTTP 200; the code in the body says what happened

	Now func() time.Time // the clock of the entries' receive times
}

// Defaults returns the configuration of a Collector without settings.
func Defaults() Config {
	return Config{
		Topic:        "activity",
		MaxBodyBytes: 16 << 20, MaxEntries: 100_000,
		MaxPendingBytes: 96 << 20, QueueBytes: 16 << 20, QueueChunks: 16 << 10,
		AckTimeout: 10 * time.Second, DrainTimeout: 5 * time.Second,
		KeyWindow: schema.DefaultKeyWindow, MaxKeys: schema.DefaultMaxKeys,
		Now: time.Now,
	}
}

// Validate names everything that is wrong with c.
func (c Config) Validate() error {
	var errs []error
	for _, f := range [...]struct {
		name  string
		value int64
	}{
		{"max body bytes", c.MaxBodyBytes},
		{"max entries", int64(c.MaxEntries)},
		{"queue bytes", c.QueueBytes},
		{"queue chunks", int64(c.QueueChunks)},
		{"ack timeout", int64(c.AckTimeout)},
		{"drain timeout", int64(c.DrainTimeout)},
		{"key window", int64(c.KeyWindow)},
		{"max keys", int64(c.MaxKeys)},
	} {
		if f.value <= 0 {
			errs = append(errs, fmt.Errorf("%s must be above 0", f.name))
		}
	}
	if c.Topic == "" {
		errs = append(errs, errors.New("topic is required"))
	}
	if c.Now == nil {
		errs = append(errs, errors.New("a clock is required"))
	}
	if c.RateLimit < 0 {
		errs = append(errs, errors.New("rate limit must not be negative"))
	}
	if c.RateBurst < 0 {
		errs = append(errs, errors.New("rate burst must not be negative"))
	}
	if c.MaxPendingBytes < 2*(c.MaxBodyBytes+1) { // of the largest body, compressed and decompressed
		errs = append(errs, errors.New("max pending bytes must be above twice max body bytes"))
	}
	return errors.Join(errs...)
}

// burst returns the number of entries that a tenant may write at once.
func (c Config) burst() int {
	if c.RateBurst > 0 {
		return c.RateBurst
	}
	return max(int(c.RateLimit), 1)
}
