package matrix

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/cmd/loadgen/load"
)

// sample is what one process holds.
type sample struct {
	rss              int64 // bytes
	goroutines, open float64
	disk             int64 // bytes; 0 where it keeps nothing
}

// soak measures the limit of what is stored, and then writes at half of it for a long time.
func soak(ctx context.Context, t *trial) error {
	cluster, err := chaos.NewCluster(ctx, t.Dir, t.Bin, chaos.Plan{Session: t.Session, Seed: t.Seed, Nodes: t.Nodes})
	if err != nil {
		return err
	}
	defer cluster.Close()
	if err := cluster.Start(ctx, cluster.Names...); err != nil {
		return err
	}
	r := chaos.NewRun(t.Config.Config, cluster)
	cfg := load.Config{URL: cluster.Write, Connections: 4, Batch: 1000, Duration: 15 * time.Second, Retries: 50}
	limit, err := storedRate(ctx, r, cfg)
	if err != nil {
		return err
	}
	cfg.Rate, cfg.Duration, cfg.First = limit/2, t.Soak/6, 50_000_000 // a sixth to warm up
	t.figure("limit", "%.0f entries stored a second, of which half", limit)
	if _, err := load.Run(ctx, cfg, r.Source, nil, nil); err != nil {
		return err
	}
	before, err := samples(ctx, r)
	if err != nil {
		return err
	}
	beforeParts, err := parts(ctx, r)
	if err != nil {
		return err
	}
	cfg.Duration = t.Soak - cfg.Duration
	res, err := load.Run(ctx, cfg, r.Source, nil, nil)
	if err != nil {
		return err
	}
	after, err := samples(ctx, r)
	if err != nil {
		return err
	}
	afterParts, err := parts(ctx, r)
	if err != nil {
		return err
	}
	t.figure("written in the soak", "%d entries in %v, %d not answered, p99 %v", res.Accepted, res.Elapsed.Round(time.Second), res.Unanswered, chaos.Round(res.Latency.P99))
	for _, name := range cluster.Names {
		t.flat(name, before[name], after[name])
	}
	t.figure("active parts", "%d → %d", beforeParts, afterParts)
	if afterParts > 3*beforeParts+100 {
		t.fail("active parts grow: %d → %d", beforeParts, afterParts)
	}
	return soaked(ctx, r, t)
}

// storedRate is how many entries a second reach the table when nothing holds the writers back.
func storedRate(ctx context.Context, r *chaos.Run, cfg load.Config) (float64, error) {
	begun := time.Now()
	res, err := load.Run(ctx, cfg, r.Source, nil, nil)
	if err != nil {
		return 0, err
	}
	n, err := awaitCount(ctx, r, res.Accepted)
	if err != nil {
		return 0, err
	}
	return float64(n) / time.Since(begun).Seconds(), nil
}

// soaked waits until all of it is stored, and asks the tables whether each is there once.
func soaked(ctx context.Context, r *chaos.Run, t *trial) error {
	if err := r.AwaitQuiet(ctx); err != nil {
		return err
	}
	n, err := r.Cluster.Store.Numbers(ctx, "SELECT count(), uniqExactIf(id, id % 16 = 0), countIf(id % 16 = 0), (SELECT sum(n) FROM by_kind) FROM activity")
	if err != nil {
		return err
	}
	acknowledged, err := r.Cluster.Sum(ctx, `activity_collector_entries_total{result="accepted"}`, chaos.Collector)
	if err != nil {
		return err
	}
	t.figure("stored", "%d, in by_kind %d", n[0], n[3])
	if n[1] != n[2] || n[3] != n[0] {
		t.fail("of a sixteenth of the ids %d are there %d times; by_kind counts %d of %d", n[1], n[2], n[3], n[0])
	}
	if acknowledged > 0 && int64(acknowledged) != n[0] {
		t.fail("acknowledged %.0f, stored %d", acknowledged, n[0])
	}
	return nil
}

// mergeFiles is what one merge of sixteen parts of sixty files has open for a moment.
const mergeFiles = 1000

// flat shows what a process held, and fails where that goes on growing.
func (t *trial) flat(name string, a, b sample) {
	text := fmt.Sprintf("%d → %d MB", a.rss>>20, b.rss>>20)
	if a.goroutines > 0 {
		text += fmt.Sprintf(", goroutines %.0f → %.0f, files %.0f → %.0f", a.goroutines, b.goroutines, a.open, b.open)
	}
	if b.disk > 0 {
		text += fmt.Sprintf(", disk %d → %d MB", a.disk>>20, b.disk>>20)
	}
	t.figure(name, "%s", text)
	if b.rss > 2*a.rss+256<<20 || b.goroutines > 2*a.goroutines+50 || b.open > 2*a.open+mergeFiles {
		t.fail("%s grows: %s", name, text)
	}
}

func samples(ctx context.Context, r *chaos.Run) (map[string]sample, error) {
	all := map[string]sample{}
	for _, name := range r.Cluster.Names {
		s := sample{rss: r.Cluster.Process(name).Resident(), disk: onDisk(r, name)}
		if !r.Cluster.IsNode(name) {
			var err error
			if s.goroutines, err = r.Cluster.Sample(ctx, name, "go_goroutines"); err != nil {
				return nil, err
			}
			if s.open, err = r.Cluster.Sample(ctx, name, "process_open_fds"); err != nil {
				return nil, err
			}
		}
		all[name] = s
	}
	return all, nil
}

func parts(ctx context.Context, r *chaos.Run) (int64, error) {
	n, err := r.Cluster.Store.Numbers(ctx, "SELECT count() FROM system.parts WHERE active AND database = currentDatabase()")
	if err != nil {
		return 0, err
	}
	return n[0], nil
}

// onDisk is how much a member keeps.
func onDisk(r *chaos.Run, name string) (sum int64) {
	dir := filepath.Join(r.Cluster.Dir, name)
	switch name {
	case chaos.Broker:
		dir = r.Cluster.Folder(chaos.Broker, "kafka")
	case chaos.Engine:
		dir = r.Cluster.Folder(chaos.Engine, "clickhouse")
	}
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // it went meanwhile
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
