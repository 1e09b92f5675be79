// Package dialect holds the settings of dialects whose reads and writes are served by different services, query and collector.
package dialect

// Config says how the dialects answer.
type Config struct {
	FleetAlways200 bool `name:"fleet-always-200" help:"Answer every request of the fleet dialect with HTTP 200; the code in the body says what happened." env:"FLEET_ALWAYS_200"`
}
