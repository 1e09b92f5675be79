// Package idempotency holds the settings of idempotency keys and event ids, which collector and consumer share.
package idempotency

import (
	"errors"
	"time"
)

// Config bounds how many keys are remembered, and for how long. A repeat that arrives later is stored again.
type Config struct {
	Window time.Duration `name:"key-window" help:"How long an Idempotency-Key or event_id is remembered; a later repeat is stored again." env:"KEY_WINDOW"`
	Max    int           `name:"max-keys" help:"Most Idempotency-Keys and event_ids remembered in each partition." env:"MAX_KEYS"`
}

// Defaults remembers the keys of a day.
func (c *Config) Defaults() { c.Window, c.Max = 24*time.Hour, 200_000 }

// Validate returns everything that is wrong with c.
func (c *Config) Validate() error {
	var faults []error
	if c.Window <= 0 {
		faults = append(faults, errors.New("KEY_WINDOW: must be above 0"))
	}
	if c.Max < 1 {
		faults = append(faults, errors.New("MAX_KEYS: must be above 0"))
	}
	return errors.Join(faults...)
}
