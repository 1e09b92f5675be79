package service

// Dialects say how the dialects answer whose reads and writes are served by different services.
type Dialects struct {
	FleetAlways200 bool `name:"fleet-always-200" help:"Answer HTTP 200 to every request of the fleet dialect; the code in the body tells." env:"FLEET_ALWAYS_200"`
}
