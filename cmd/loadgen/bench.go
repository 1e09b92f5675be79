package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/bench"
)

type benchCmd struct {
	Parts     []string      `help:"Parts to measure: ${parts}." default:"${parts}"`
	Burst     int           `help:"Entries of the burst." default:"2000000"`
	Sustained int           `help:"Entries of the sustained load and of the queried table." default:"10000000"`
	Large     int           `help:"Entries of a second, larger table to query; 0: none."`
	Rounds    int           `help:"Rounds of the short parts; a figure is their median." default:"3"`
	Peer      string        `help:"URL of a VictoriaLogs (-retentionPeriod=100d) to measure with the same work." placeholder:"URL"`
	Time      time.Duration `help:"Duration of the parts without a number of entries." default:"10s"`
	Seed      uint64        `help:"Seed of the workload." default:"42"`
	Out       string        `help:"Markdown file for the report." type:"path" placeholder:"BENCHMARKS.md"`
	Bin       string        `help:"Folder of the binaries; empty: that of loadgen." type:"path"`
	Dir       string        `help:"Folder for the data; empty: a temporary one." type:"path"`
}

func (c *benchCmd) Run(ctx context.Context, out *output) error {
	bin, err := binaries(c.Bin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.Dir, "activitylog-bench-")
	if err != nil {
		return fmt.Errorf("make a folder for the data: %w", err)
	}
	r, err := bench.Run(ctx, bench.Config{
		Bin: bin, Dir: dir, Seed: c.Seed, Parts: c.Parts, Burst: c.Burst, Sustained: c.Sustained, Time: c.Time,
		Rounds: max(c.Rounds, 1), Large: c.Large, Peer: c.Peer,
		Say: out.progress.Say, Update: out.progress.Update,
	})
	if err != nil {
		out.progress.Say("logs and data are kept in %s", dir)
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the data: %w", err)
	}
	if c.Out != "" {
		return c.write(r)
	}
	return out.result(r, func() { _ = r.Write(out.to) })
}

func (c *benchCmd) write(r *bench.Report) error {
	f, err := os.Create(c.Out)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	defer f.Close()
	if err := r.Write(f); err != nil {
		return err
	}
	return f.Close()
}
