package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/cmd/loadgen/load"
	"github.com/activitylog/activitylog/cmd/loadgen/oracle"
	"github.com/activitylog/activitylog/cmd/loadgen/process"
)

const (
	batch         = 1000
	connections   = 8
	storePatience = 5 * time.Minute
	quietPatience = 5 * time.Minute
)

// ingested is what it took to store entries.
type ingested struct {
	load   load.Result
	stored time.Duration // from the first request until all that was accepted could be counted
	quiet  time.Duration // until nothing was merged any more
	cpu    time.Duration // of the services until they were quiet
	own    time.Duration // of the generator
}

func (i *ingested) entries() float64 { return float64(i.load.Accepted) }

// ingest sends n entries as NDJSON and waits until they are stored and everything is quiet. Usage sums what the services
// have used so far.
func (b *bench) ingest(ctx context.Context, url string, store *oracle.Server, n int, usage func() time.Duration) (*ingested, error) {
	source := b.source(n)
	before, own, begun := usage(), process.Self().CPU, time.Now()
	r, err := load.Run(ctx, load.Config{URL: url, Connections: connections, Batch: batch, Count: n, Retries: 1000, Timeout: time.Minute}, source, nil,
		func(r load.Result) { b.Update("%d of %d accepted, %.0f a second", r.Accepted, n, r.Rate) })
	if err != nil {
		return nil, err
	}
	i := &ingested{load: r, own: process.Self().CPU - own}
	if r.Accepted < int64(n) {
		return nil, fmt.Errorf("only %d of %d entries were accepted", r.Accepted, n)
	}
	if err := awaitRows(ctx, store, r.Accepted); err != nil {
		return nil, err
	}
	i.stored = time.Since(begun)
	if err := b.awaitQuiet(ctx, store, usage); err != nil {
		return nil, err
	}
	i.quiet, i.cpu = time.Since(begun), usage()-before
	return i, nil
}

func awaitRows(ctx context.Context, store *oracle.Server, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	for {
		got, err := store.Numbers(ctx, `SELECT count() FROM activity`)
		if err == nil && got[0] >= n {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("stored %v of %d entries: %w", got, n, errors.Join(ctx.Err(), err))
		}
		sleep(ctx, 20*time.Millisecond)
	}
}

// awaitQuiet waits until for three seconds in a row nothing is merged and the services use less than 5 % of a core.
func (b *bench) awaitQuiet(ctx context.Context, store *oracle.Server, usage func() time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, quietPatience)
	defer cancel()
	last := usage()
	for quiet := 0; quiet < 3; {
		sleep(ctx, time.Second)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait until everything is quiet: %w", err)
		}
		merges, err := store.Numbers(ctx, `SELECT count() FROM system.merges`)
		if err != nil {
			return err
		}
		now := usage()
		b.Update("%d merges, %.0f %% of a core", merges[0], (now-last).Seconds()*100)
		if merges[0] == 0 && now-last < 50*time.Millisecond {
			quiet++
		} else {
			quiet = 0
		}
		last = now
	}
	return nil
}

func (s *standalone) cpu() time.Duration { return s.process.Usage().CPU }

func (b *bench) burst(ctx context.Context) error {
	s, err := b.open(ctx, "burst")
	if err != nil {
		return err
	}
	defer s.close()
	i, err := b.ingest(ctx, s.Write, s.Store, b.Burst, s.cpu)
	if err != nil {
		return err
	}
	b.addIngested(i, "≥ 600k/s", "")
	return b.addBatches(ctx, s.Cluster)
}

func (b *bench) addIngested(i *ingested, rateGoal, cpuGoal string) {
	n := fmt.Sprintf("%.1f M entries, ", i.entries()/1e6)
	b.add(n+"accepted", "", "NDJSON × 1000, 8 connections, fsync", "%.0f/s", i.load.Rate)
	b.add(n+"stored", rateGoal, "from the first request until all can be counted", "%.0f/s", i.entries()/i.stored.Seconds())
	b.add(n+"until quiet", "", "merges done", "%.1f s", i.quiet.Seconds())
	b.add(n+"CPU an entry", cpuGoal, "of the services, merges counted", "%.2f µs", i.cpu.Seconds()*1e6/i.entries())
	b.add(n+"CPU an entry, generator", "", "", "%.2f µs", i.own.Seconds()*1e6/i.entries())
	b.add(n+"request latency", "", "1000 entries", "p50 %v, p99 %v", round(i.load.Latency.P50), round(i.load.Latency.P99))
}

func round(d time.Duration) time.Duration {
	if d > 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

func (b *bench) sustained(ctx context.Context) error {
	s, err := b.open(ctx, "sustained")
	if err != nil {
		return err
	}
	defer s.close()
	i, err := b.ingest(ctx, s.Write, s.Store, b.Sustained, s.cpu)
	if err != nil {
		return err
	}
	b.addIngested(i, "≥ 300k/s", "≤ 3.9 µs")
	if err := b.addBatches(ctx, s.Cluster); err != nil {
		return err
	}
	if err := b.addDisk(ctx, s, i); err != nil {
		return err
	}
	b.add("highest resident memory of standalone", "", "broker and engine in it", "%d MB", s.process.Usage().Peak>>20)
	if err := b.addExact(ctx, s.Store); err != nil {
		return err
	}
	if !slices.Contains(b.Parts, "queries") {
		return nil
	}
	b.part = "queries"
	return b.queries(ctx, s)
}

func (b *bench) addDisk(ctx context.Context, s *standalone, i *ingested) error {
	err := s.Store.Query(ctx, `SELECT table, sum(bytes_on_disk), count() FROM system.parts WHERE active AND database = currentDatabase()
		AND table IN ('activity', 'by_kind', 'by_entity') GROUP BY table ORDER BY table`, func(f []string) error {
		var bytes float64
		_, err := fmt.Sscan(f[1], &bytes)
		goal := ""
		if f[0] == "activity" {
			goal = "≤ 30 B with the rollups"
		}
		b.add("bytes an entry, "+f[0], goal, "", "%.1f B in %s parts", bytes/i.entries(), f[2])
		return err
	})
	b.add("bytes an entry, data folder", "", "the broker's log, a day of it, included", "%.1f B", float64(folderSize(s.Dir))/i.entries())
	return err
}

func folderSize(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // what has just been merged away is not counted
		}
		if info, err := d.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}

// addExact says whether the tables are as exact as they are fast.
func (b *bench) addExact(ctx context.Context, store *oracle.Server) error {
	e, err := store.Exact(ctx)
	if err != nil {
		return err
	}
	b.add("stored exactly once, rollups equal", "no violation", "", "%d of %d ids, %d wrong groups", e.IDs, e.Rows, e.ByKind+e.ByEntity)
	return nil
}

// processes measures the same burst over separate processes: what each costs, and its memory.
func (b *bench) processes(ctx context.Context) error {
	c, err := chaos.NewCluster(b.Dir, b.Bin, 0)
	if err != nil {
		return err
	}
	defer c.Close()
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
	b.addIngested(i, "", "")
	if err := b.addBatches(ctx, c); err != nil {
		return err
	}
	goals := map[string]string{chaos.Collector: "< 150 MB, ≤ 1.3 µs", chaos.Consumer1: "< 400 MB", chaos.Consumer2: "< 400 MB", chaos.Query: "< 200 MB"}
	for _, name := range c.Names {
		u := c.Process(name).Usage()
		b.add(name, goals[name], "highest resident memory, CPU an entry", "%d MB, %.2f µs", u.Peak>>20, u.CPU.Seconds()*1e6/i.entries())
	}
	return nil
}
