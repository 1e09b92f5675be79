package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"time"

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

// ingested is the cost of storing entries.
type ingested struct {
	load   load.Result
	stored time.Duration // from the first request until count shows all accepted entries
	quiet  time.Duration // until merges have ended
	cpu    time.Duration // of the services until they were quiet
	own    time.Duration // of the generator
}

func (i *ingested) entries() float64 { return float64(i.load.Accepted) }

// ingest sends n entries as NDJSON and waits until they are stored and everything is quiet. usage returns the CPU time that the
// services have used so far.
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

// awaitQuiet waits until there have been no merges and less than 5 % of a core in use for three seconds.
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

// Figures that ratios use.
const (
	storedRate        = "stored"
	cpuEach           = "CPU per entry"
	bytesEach         = "bytes per entry, all tables"
	collectorRate     = "collector alone, NDJSON × 1000, fsync"
	collectorUnsynced = "collector alone, NDJSON × 1000, without fsync"
	consumerRate      = "consumers alone, two processes"
)

func (b *bench) burst(ctx context.Context) error {
	i, s, err := b.fill(ctx, "burst", b.Burst)
	if err != nil {
		return err
	}
	defer s.close()
	b.addIngested(i, atLeast(600), Goal{})
	if err := b.addBatches(ctx, s.Cluster); err != nil {
		return err
	}
	return b.ingestPeer(ctx, b.Burst)
}

// fill opens a standalone and stores n entries in it.
func (b *bench) fill(ctx context.Context, name string, n int) (*ingested, *standalone, error) {
	s, err := b.open(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	i, err := b.ingest(ctx, s.Write, s.Store, n, s.cpu)
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return i, s, nil
}

func (b *bench) addIngested(i *ingested, rate, cpu Goal) {
	n := fmt.Sprintf("%.1f M entries", i.entries()/1e6)
	b.add(Figure{What: "accepted", Unit: "%.0fk/s", Note: n + ", NDJSON × 1000, 8 connections"}, i.load.Rate/1e3)
	b.add(Figure{What: storedRate, Unit: "%.0fk/s", Goal: rate, Note: "from the first request until all can be counted"}, i.entries()/i.stored.Seconds()/1e3)
	b.add(Figure{What: "last entry accepted until all are stored", Unit: "%.2f s", Goal: atMost(1)}, (i.stored - i.load.Elapsed).Seconds())
	b.add(Figure{What: "until merges are done", Unit: "%.1f s", Note: "from the first request"}, i.quiet.Seconds())
	b.add(Figure{What: cpuEach, Unit: "%.2f µs", Goal: cpu, Note: "of the services, until merges are done"}, i.cpu.Seconds()*1e6/i.entries())
	b.add(Figure{What: "CPU per entry, generator", Unit: "%.2f µs"}, i.own.Seconds()*1e6/i.entries())
	b.add(Figure{What: "request latency p50", Unit: "%.1f ms", Note: "1000 entries"}, ms(i.load.Latency.P50))
	b.add(Figure{What: "request latency p99", Unit: "%.1f ms"}, ms(i.load.Latency.P99))
}

func (b *bench) sustained(ctx context.Context) error {
	i, s, err := b.fill(ctx, "sustained", b.Sustained)
	if err != nil {
		return err
	}
	defer s.close()
	b.addIngested(i, atLeast(300), atMost(3.9))
	if err := b.addBatches(ctx, s.Cluster); err != nil {
		return err
	}
	if err := b.addDisk(ctx, s, i); err != nil {
		return err
	}
	b.add(Figure{What: peakMemory, Unit: "%.0f MB", Note: "highest resident; broker and engine in it"}, float64(s.process.Usage().Peak>>20))
	if err := b.addExact(ctx, s.Store); err != nil {
		return err
	}
	if err := b.ingestPeer(ctx, b.Sustained); err != nil {
		return err
	}
	if !slices.Contains(b.Parts, "queries") {
		return nil
	}
	b.part = "queries"
	if err := b.queries(ctx, s, b.Sustained); err != nil || b.Large == 0 {
		return err
	}
	s.close()
	return b.large(ctx)
}

const peakMemory = "memory of standalone"

// large runs the queries on a larger table.
func (b *bench) large(ctx context.Context) error {
	b.part = "large"
	i, s, err := b.fill(ctx, "large", b.Large)
	if err != nil {
		return err
	}
	defer s.close()
	b.addIngested(i, Goal{}, Goal{})
	if err := b.addDisk(ctx, s, i); err != nil {
		return err
	}
	if err := b.ingestPeer(ctx, b.Large); err != nil {
		return err
	}
	if err := b.queries(ctx, s, b.Large); err != nil {
		return err
	}
	for _, f := range slices.Clone(b.report.Figures) {
		if small := b.median("queries", f.What); f.Part == "large" && f.Unit == queryUnit {
			b.ratio("ratios", fmt.Sprintf("%s, %d M relative to %d M", f.What, b.Large/1e6, b.Sustained/1e6), atMost(1.5), median(f.Values), small)
		}
	}
	return nil
}

func (b *bench) addDisk(ctx context.Context, s *standalone, i *ingested) error {
	all := 0.0
	err := s.Store.Query(ctx, `SELECT table, sum(bytes_on_disk), count() FROM system.parts WHERE active AND database = currentDatabase()
		AND table IN ('activity', 'by_kind', 'by_entity') GROUP BY table ORDER BY table`, func(f []string) error {
		bytes, err := strconv.ParseFloat(f[1], 64)
		all += bytes
		b.add(Figure{What: "bytes per entry, " + f[0], Unit: "%.1f B", Note: f[2] + " parts"}, bytes/i.entries())
		return err
	})
	if err != nil {
		return err
	}
	b.add(Figure{What: bytesEach, Unit: "%.1f B", Goal: atMost(30), Note: "with indexes and rollups"}, all/i.entries())
	b.add(Figure{What: "all tables, relative to the NDJSON", Unit: "%.3f ×", Goal: atMost(0.15)}, all/float64(i.load.Bytes))
	b.add(Figure{What: "bytes per entry, data folder", Unit: "%.1f B", Note: "with the broker's log"}, float64(folderSize(s.Dir))/i.entries())
	return nil
}

func folderSize(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // a merge has just removed it
		}
		if info, err := d.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}

// addExact adds whether the tables are exact.
func (b *bench) addExact(ctx context.Context, store *oracle.Server) error {
	e, err := store.Exact(ctx)
	if err != nil {
		return err
	}
	wrong := e.Rows - e.IDs + e.ByKind + e.ByEntity
	b.add(Figure{What: "entries stored twice, and groups of the rollups that differ", Unit: "%.0f", Goal: atMost(0), Note: fmt.Sprintf("%d ids in %d rows", e.IDs, e.Rows)}, float64(wrong))
	return nil
}
