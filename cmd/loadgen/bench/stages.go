package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/cmd/loadgen/load"
)

// cluster prepares separate processes in their own folder; close stops them and empties it.
func (b *bench) cluster(ctx context.Context, name string) (c *chaos.Cluster, closed func(), err error) {
	dir := filepath.Join(b.Dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the data folder: %w", err)
	}
	if c, err = chaos.NewCluster(ctx, dir, b.Bin, chaos.Plan{}); err != nil {
		return nil, nil, err
	}
	return c, func() { c.Close(); _ = os.RemoveAll(dir) }, nil
}

// stages measures the collector without consumers, without and with fsync, and then consumers on the entries it has written.
func (b *bench) stages(ctx context.Context) error {
	unsynced, closed, err := b.cluster(ctx, "unsynced")
	if err != nil {
		return err
	}
	broker := unsynced.Process(chaos.Broker)
	broker.Env = append(broker.Env, "BROKER_SYNC=false")
	err = b.collect(ctx, unsynced, collectorUnsynced, atLeast(1000))
	closed()
	if err != nil {
		return err
	}
	c, closed, err := b.cluster(ctx, "stages")
	if err != nil {
		return err
	}
	defer closed()
	if err := b.collect(ctx, c, collectorRate, Goal{}); err != nil {
		return err
	}
	return b.consume(ctx, c)
}

// collect sends a burst to a collector without consumers. A collector takes nothing before a consumer has said which log the tables
// belong to, so one runs for a moment.
func (b *bench) collect(ctx context.Context, c *chaos.Cluster, what string, goal Goal) error {
	others := []string{chaos.Engine, chaos.Consumer1}
	if err := c.Start(ctx, append([]string{chaos.Broker, chaos.Collector}, others...)...); err != nil {
		return err
	}
	for _, name := range slices.Backward(others) {
		if err := c.Process(name).Stop(time.Minute); err != nil {
			return err
		}
	}
	collector := c.Process(chaos.Collector)
	before := collector.Usage().CPU
	r, err := load.Run(ctx, load.Config{URL: c.Write, Connections: connections, Batch: batch, Count: b.Burst, Retries: 1000, Timeout: time.Minute}, b.source(b.Burst), nil, nil)
	if err != nil {
		return err
	}
	if r.Accepted < int64(b.Burst) {
		return fmt.Errorf("only %d of %d entries were accepted", r.Accepted, b.Burst)
	}
	b.add(Figure{What: what, Unit: "%.0fk/s", Goal: goal, Note: "8 connections, acks=all"}, r.Rate/1e3)
	b.add(Figure{What: what + ", CPU per entry", Unit: "%.2f µs", Goal: atMost(1.3)}, (collector.Usage().CPU-before).Seconds()*1e6/float64(r.Accepted))
	return nil
}

// consume has two consumers store the entries in Kafka. Time and entries count from after the first visible batch.
func (b *bench) consume(ctx context.Context, c *chaos.Cluster) error {
	if err := c.Start(ctx, chaos.Engine, chaos.Consumer1, chaos.Consumer2); err != nil {
		return err
	}
	if err := awaitRows(ctx, c.Store, 1); err != nil {
		return err
	}
	first, err := c.Store.Numbers(ctx, `SELECT count() FROM activity`)
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := awaitRows(ctx, c.Store, int64(b.Burst)); err != nil {
		return err
	}
	if rest := int64(b.Burst) - first[0]; rest > 0 {
		b.add(Figure{What: consumerRate, Unit: "%.0fk/s", Note: "with the rollups"}, float64(rest)/time.Since(begun).Seconds()/1e3)
	}
	cpu := c.Process(chaos.Consumer1).Usage().CPU + c.Process(chaos.Consumer2).Usage().CPU
	b.add(Figure{What: consumerRate + ", CPU per entry", Unit: "%.2f µs", Note: "of the consumers; the engine's is its own"}, cpu.Seconds()*1e6/float64(b.Burst))
	return nil
}

// processes measures a burst on separate processes: CPU and memory of each.
func (b *bench) processes(ctx context.Context) error {
	c, closed, err := b.cluster(ctx, "processes")
	if err != nil {
		return err
	}
	defer closed()
	if err := c.Start(ctx, c.Names...); err != nil {
		return err
	}
	usage := func() (sum time.Duration) {
		for _, name := range c.Names {
			sum += c.Process(name).Usage().CPU
		}
		return sum
	}
	i, err := b.ingest(ctx, c.Write, c.Store, b.Burst, usage)
	if err != nil {
		return err
	}
	b.addIngested(i, Goal{}, Goal{})
	if err := b.addBatches(ctx, c); err != nil {
		return err
	}
	goals := map[string]Goal{chaos.Collector: atMost(150), chaos.Consumer1: atMost(400), chaos.Consumer2: atMost(400), chaos.Query: atMost(200)}
	for _, name := range c.Names {
		u := c.Process(name).Usage()
		b.add(Figure{What: name + ", memory", Unit: "%.0f MB", Goal: goals[name], Note: "highest resident"}, float64(u.Peak>>20))
		b.add(Figure{What: name + ", CPU per entry", Unit: "%.2f µs"}, u.CPU.Seconds()*1e6/i.entries())
	}
	return nil
}
