// Package bench measures the services as a user runs them, and reports the limits of the machine and the goals beside each figure.
// Figures compare only with the limits of the same run, never with those of another machine.
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
	"github.com/activitylog/activitylog/cmd/loadgen/stats"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

// Config says what to measure.
type Config struct {
	Bin       string
	Dir       string // folder of the run; emptied between parts
	Seed      uint64
	Parts     []string      // of Parts
	Burst     int           // entries of the burst
	Sustained int           // entries of the sustained load and of the queried table
	Time      time.Duration // of a part without a number of entries
	Rounds    int           // of the short parts
	Large     int           // entries of a second table to query; 0: none
	Peer      string        // URL of a VictoriaLogs that does the same work; empty for none
	Say       func(format string, args ...any)
	Update    func(format string, args ...any)
}

// Parts are the parts of a measurement, in their order.
var Parts = []string{"limits", "burst", "stages", "singles", "fresh", "idle", "sustained", "queries", "processes"}

// order is the order of the tables.
var order = append(slices.Clone(Parts), "large", "ratios")

// Report has the figures, with their place and time.
type Report struct {
	Machine Machine   `json:"machine"`
	Peer    string    `json:"peer,omitempty"` // its version
	Figures []*Figure `json:"figures"`
}

// bench is a running measurement.
type bench struct {
	Config
	report *Report
	part   string
	peer   *peer // nil without a peer
	lone   stats.Histogram
	among  stats.Histogram
}

// step is a part and how it is measured.
type step struct {
	part string
	run  func(context.Context) error
}

// Run measures. After an error the report has what was measured before it.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	b := &bench{Config: cfg, report: &Report{Machine: thisMachine(ctx)}}
	if cfg.Peer != "" {
		var err error
		if b.peer, err = openPeer(ctx, cfg.Peer); err != nil {
			return b.report, err
		}
		b.report.Peer = b.peer.version
	}
	begun, watch := time.Now(), foreign()
	for round := range cfg.Rounds { // the short parts in turn, so that a disturbance affects all of them
		cfg.Say("round %d of %d, %v", round+1, cfg.Rounds, time.Since(begun).Round(time.Second))
		if err := b.steps(ctx, []step{
			{"limits", b.limits},
			{"burst", b.burst},
			{"stages", b.stages},
			{"singles", b.singles},
			{"fresh", b.onStandalone("fresh", b.fresh)},
		}); err != nil {
			return b.report, err
		}
	}
	if err := b.steps(ctx, []step{
		{"idle", b.onStandalone("idle", b.idle)},
		{"sustained", b.sustained},
		{"processes", b.processes},
	}); err != nil {
		return b.report, err
	}
	b.ratios()
	b.report.Machine.Others = 100 * watch()
	cfg.Say("took %v", time.Since(begun).Round(time.Second))
	return b.report, ctx.Err()
}

func (b *bench) steps(ctx context.Context, steps []step) error {
	for _, s := range steps {
		wanted := slices.Contains(b.Parts, s.part) || s.part == "sustained" && slices.Contains(b.Parts, "queries")
		if !wanted || ctx.Err() != nil {
			continue
		}
		b.part = s.part
		b.Say("%s", s.part)
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("measure %s: %w", s.part, err)
		}
	}
	return nil
}

// ratios compares figures with the limits of the same run, and with the peer.
func (b *bench) ratios() {
	none := b.median("limits", noOpSingles)
	synced, unsynced := b.median("singles", singlesRate), b.median("singles", singlesUnsynced)
	b.ratio("ratios", "single POSTs without fsync, relative to the no-op handler", atLeast(0.45), unsynced, none)
	b.ratio("ratios", "single POSTs with fsync, relative to those without", atLeast(0.5), synced, unsynced)
	b.ratio("ratios", "collector with fsync, relative to the collector without", atLeast(0.75), b.median("stages", collectorRate), b.median("stages", collectorUnsynced))
	b.ratio("ratios", "consumer, relative to the insert of encoded blocks", atLeast(0.6), b.median("stages", consumerRate), b.median("limits", insertRate))
	for _, f := range b.report.Figures {
		if f.Part != "sustained" || len(f.Peer) == 0 {
			continue
		}
		switch f.What {
		case storedRate:
			b.ratio("ratios", "sustained rate, relative to the peer", atLeast(1.5), median(f.Values), median(f.Peer))
		case cpuEach:
			b.ratio("ratios", "sustained CPU per entry, relative to the peer", atMost(0.8), median(f.Values), median(f.Peer))
		}
	}
}

// foreign starts to measure what other processes use of the machine. The function it returns gives their share of the cores; our own
// processes must have ended before it is called.
func foreign() func() float64 {
	machine, family, begun := process.Machine(), process.Family(), time.Now()
	return func() float64 {
		used := process.Machine() - machine - (process.Family() - family)
		return max(0, used.Seconds()/time.Since(begun).Seconds()/float64(runtime.NumCPU()))
	}
}

func (b *bench) source(total int) *workload.Source {
	return workload.New(b.Seed, total, time.Now().UnixMilli())
}

// standalone is a standalone process with an empty data folder.
type standalone struct {
	*chaos.Cluster
	process *process.Process
}

// open starts a standalone with its own data folder and the settings env.
func (b *bench) open(ctx context.Context, name string, env ...string) (*standalone, error) {
	dir := filepath.Join(b.Dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	c, err := chaos.NewStandalone(dir, b.Bin)
	if err != nil {
		return nil, err
	}
	alone := c.Process(chaos.Alone)
	alone.Env = append(alone.Env, env...)
	if err := c.Start(ctx, c.Names...); err != nil {
		c.Close()
		return nil, err
	}
	return &standalone{c, alone}, nil
}

// close stops the process and empties its folder.
func (s *standalone) close() {
	s.Close()
	_ = os.RemoveAll(s.Dir)
}

// ms returns d in the unit of the tables.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// onStandalone runs a part on its own standalone.
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
