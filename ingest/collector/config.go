package collector

import (
	"errors"
	"fmt"
	"time"
)

// Config is what a Collector can be told. Defaults fills in what is zero.
type Config struct {
	Topic string // of the entries

	MaxBodyBytes int64         // of one request's body, compressed and decompressed each
	MaxEntries   int           // of one request
	BodyTimeout  time.Duration // to read a body of MaxBodyBytes; a smaller one gets its share and 5 s

	MaxPendingBytes int64         // of all bodies in memory at once
	QueueBytes      int64         // waiting for one partition
	QueueChunks     int           // waiting for one partition: parts of requests
	AckTimeout      time.Duration // a caller's wait for the broker
	DrainTimeout    time.Duration // the wait for the broker when stopping

	KeyWindow time.Duration // how long an idempotency key or event id is remembered
	MaxKeys   int           // how many of them

	RateLimit float64 // entries a second of each tenant; 0: no limit
	RateBurst int     // entries at once; 0: those of one second

	FleetAlways200 bool // the fleet dialect answers HTTP 200 to everything; its code tells

	Now func() time.Time // the clock that entries are stamped by; time.Now if nil
}

// Defaults sets every field that is zero.
func (c *Config) Defaults() {
	setDefault(&c.Topic, "activity")
	setDefault(&c.MaxBodyBytes, 16<<20)
	setDefault(&c.MaxEntries, 100_000)
	setDefault(&c.BodyTimeout, 30*time.Second)
	setDefault(&c.MaxPendingBytes, 96<<20)
	setDefault(&c.QueueBytes, 16<<20)
	setDefault(&c.QueueChunks, 16<<10)
	setDefault(&c.AckTimeout, 10*time.Second)
	setDefault(&c.DrainTimeout, 5*time.Second)
	setDefault(&c.KeyWindow, 24*time.Hour)
	setDefault(&c.MaxKeys, 100_000)
	setDefault(&c.RateBurst, max(int(c.RateLimit), 1))
	if c.Now == nil {
		c.Now = time.Now
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate names everything that is wrong.
func (c *Config) Validate() error {
	var errs []error
	for _, f := range [...]struct {
		name  string
		value int64
	}{
		{"max body bytes", c.MaxBodyBytes},
		{"max entries", int64(c.MaxEntries)},
		{"body timeout", int64(c.BodyTimeout)},
		{"queue bytes", c.QueueBytes},
		{"queue chunks", int64(c.QueueChunks)},
		{"ack timeout", int64(c.AckTimeout)},
		{"drain timeout", int64(c.DrainTimeout)},
		{"key window", int64(c.KeyWindow)},
		{"max keys", int64(c.MaxKeys)},
		{"rate burst", int64(c.RateBurst)},
	} {
		if f.value <= 0 {
			errs = append(errs, fmt.Errorf("%s must be above 0", f.name))
		}
	}
	if c.Topic == "" {
		errs = append(errs, errors.New("topic is required"))
	}
	if c.RateLimit < 0 {
		errs = append(errs, errors.New("rate limit must not be negative"))
	}
	if c.MaxPendingBytes <= c.MaxBodyBytes {
		errs = append(errs, errors.New("max pending bytes must be above max body bytes"))
	}
	return errors.Join(errs...)
}
