// Package bench measures the services as a user runs them, with the limits of the machine and the goals beside the figures.
// It never judges by an absolute figure of another machine: a figure means something next to the limits of its own run.
package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/cmd/loadgen/process"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

// Config says what to measure.
type Config struct {
	Bin       string
	Dir       string // folder of the run; emptied between parts
	Seed      uint64
	Parts     []string      // of Parts
	Burst     int           // entries of the burst
	Sustained int           // entries of the sustained load, and of the table that is queried
	Time      time.Duration // of a part that has no number of entries
	Say       func(format string, args ...any)
	Update    func(format string, args ...any)
}

// Parts are the parts of a measurement, in their order.
var Parts = []string{"limits", "burst", "singles", "fresh", "idle", "sustained", "queries", "processes"}

// Figure is one line of a table.
type Figure struct {
	Part  string `json:"part"`
	What  string `json:"what"`
	Value string `json:"value"`
	Goal  string `json:"goal,omitempty"`
	Note  string `json:"note,omitempty"`
}

// Report is what was measured, where and when.
type Report struct {
	Machine Machine  `json:"machine"`
	Figures []Figure `json:"figures"`
}

// bench is a measurement under way.
type bench struct {
	Config
	report *Report
	part   string
	noOp   float64 // requests a second of a handler that does nothing; 0 when not measured
}

// Run measures. What was measured before an error is in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	b := &bench{Config: cfg, report: &Report{Machine: thisMachine(ctx)}}
	for _, step := range []struct {
		part string
		run  func(context.Context) error
	}{
		{"limits", b.limits},
		{"burst", b.burst},
		{"singles", b.onStandalone("singles", b.singles)},
		{"fresh", b.onStandalone("fresh", b.fresh)},
		{"idle", b.onStandalone("idle", b.idle)},
		{"sustained", b.sustained},
		{"processes", b.processes},
	} {
		wanted := slices.Contains(cfg.Parts, step.part) || step.part == "sustained" && slices.Contains(cfg.Parts, "queries")
		if !wanted || ctx.Err() != nil {
			continue
		}
		b.part = step.part
		cfg.Say("%s", step.part)
		others := foreign()
		if err := step.run(ctx); err != nil {
			return b.report, fmt.Errorf("measure %s: %w", step.part, err)
		}
		b.add("meanwhile, CPU used by others on this machine", "0", "figures of a busy machine are too low", "%.0f %% of its cores", 100*others())
	}
	return b.report, ctx.Err()
}

// foreign begins to watch what others use of the machine; the function it returns says their share of its cores. Processes
// of ours must have ended by then.
func foreign() func() float64 {
	machine, family, begun := process.Machine(), process.Family(), time.Now()
	return func() float64 {
		used := process.Machine() - machine - (process.Family() - family)
		return max(0, used.Seconds()/time.Since(begun).Seconds()/float64(runtime.NumCPU()))
	}
}

func (b *bench) add(what, goal, note, value string, args ...any) {
	f := Figure{b.part, what, fmt.Sprintf(value, args...), goal, note}
	b.report.Figures = append(b.report.Figures, f)
	b.Say("  %-58s %-24s %s", f.What, f.Value, f.Goal)
}

func (b *bench) source(total int) *workload.Source {
	return workload.New(b.Seed, total, time.Now().UnixMilli())
}

// standalone is the whole product in one process, on an empty data folder.
type standalone struct {
	*chaos.Cluster
	process *process.Process
}

// open starts a standalone on a data folder of its own.
func (b *bench) open(ctx context.Context, name string) (*standalone, error) {
	dir := filepath.Join(b.Dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	c, err := chaos.NewStandalone(dir, b.Bin)
	if err != nil {
		return nil, err
	}
	if err := c.Start(ctx, c.Names...); err != nil {
		c.Close()
		return nil, err
	}
	return &standalone{c, c.Process(chaos.Alone)}, nil
}

// close ends it and empties its folder.
func (s *standalone) close() {
	s.Close()
	_ = os.RemoveAll(s.Dir)
}

// onStandalone runs a part on a standalone of its own.
func (b *bench) onStandalone(name string, part func(context.Context, *standalone) error) func(context.Context) error {
	return func(ctx context.Context) error {
		s, err := b.open(ctx, name)
		if err != nil {
			return err
		}
		defer s.close()
		return part(ctx, s)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
