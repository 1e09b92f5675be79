package chaos

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/activitylog/activitylog/cmd/loadgen/relay"
)

// Suffixes of the names of relays. The prefix is the service: "collector", "consumer" (all of them) or "query".
const (
	ToBroker = "-" + Broker
	ToEngine = "-" + Engine
)

// openRelays puts a relay between each service and its dependencies, if the plan has relays.
func (c *Cluster) openRelays(ctx context.Context, clickhouse string) error {
	if !c.Plan.Relays {
		return nil
	}
	nodes := strings.Split(c.Kafka, ",")
	for i, service := range []string{Collector, "consumer", Query} {
		r, err := relay.OpenKafka(ctx, nodes, c.Plan.Seed+uint64(i))
		if err != nil {
			return err
		}
		c.Relays[service+ToBroker] = r
		if service == Collector {
			continue
		}
		if r, err = relay.Open(ctx, clickhouse, c.Plan.Seed+uint64(10+i)); err != nil {
			return err
		}
		c.Relays[service+ToEngine] = r
	}
	return nil
}

// via returns the address of a dependency for a service: that of the relay, if there is one.
func (c *Cluster) via(name, direct string) string {
	if r, ok := c.Relays[name]; ok {
		return strings.Join(r.Addrs(), ",")
	}
	return direct
}

// links returns the names of the relays in order.
func (c *Cluster) links() []string { return slices.Sorted(maps.Keys(c.Relays)) }

// relayed sums the faults of all relays.
func (c *Cluster) relayed() (sum relay.Counts) {
	for _, r := range c.Relays {
		n := r.Counts()
		sum.Delayed += n.Delayed
		sum.Dropped += n.Dropped
		sum.Broken += n.Broken
		sum.Hung += n.Hung
		sum.Refused += n.Refused
		sum.Denied += n.Denied
	}
	return sum
}
