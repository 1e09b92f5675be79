package service

import (
	"errors"
	"time"
)

// Dialects say how the dialects answer whose reads and writes are served by different services.
type Dialects struct {
	FleetAlways200 bool `name:"fleet-always-200" help:"Answer HTTP 200 to every request of the fleet dialect; the code in the body tells." env:"FLEET_ALWAYS_200"`
}

// Keys bound what is remembered of idempotency keys and event ids, by collector and consumer alike.
type Keys struct {
	Window time.Duration `name:"key-window" help:"How long an Idempotency-Key or event_id is remembered; a repeat after that is stored." default:"24h" env:"KEY_WINDOW"`
	Max    int           `name:"max-keys" help:"How many of them are remembered, in each partition." default:"200000" env:"MAX_KEYS"`
}

// Validate says what is wrong with k.
func (k Keys) Validate() error {
	var faults []error
	if k.Window <= 0 {
		faults = append(faults, errors.New("KEY_WINDOW: must be above 0"))
	}
	if k.Max < 1 {
		faults = append(faults, errors.New("MAX_KEYS: must be above 0"))
	}
	return errors.Join(faults...)
}
