package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
)

type chaosCmd struct {
	Seed     uint64        `help:"Of the faults and the load; 0 takes one from the clock."`
	Duration time.Duration `help:"Of the load." default:"60s" short:"d"`
	Kill     []string      `help:"What to break: ${faults}." default:"${faults}"`
	Every    time.Duration `help:"Mean time between faults." default:"1500ms"`
	Deletes  int           `help:"Deletes of single entries during the run." default:"200"`
	Wipes    int           `help:"Deletes of everything during the run." default:"5"`
	Session  time.Duration `help:"Session timeout of the consumers: how long the partitions of a killed one wait." default:"2s"`
	Paused   time.Duration `help:"How long a paused consumer is stopped; more than its session timeout." default:"5s"`

	Seeds int `help:"So many runs one after another, each with the next seed." default:"1" placeholder:"N"`

	Matrix bool          `help:"Run the fault matrix row by row; --duration is that of the load of one row."`
	Rows   []int         `help:"These rows of the matrix only." placeholder:"N"`
	Kills  int           `help:"How often row 5 kills standalone." default:"100"`
	Soak   time.Duration `help:"How long row 24 writes." default:"10m"`

	Outages    bool `help:"Check what callers see while the broker or the engine is away, and that services wait for what they depend on."`
	Standalone int  `help:"Kill the whole of standalone that many times instead." placeholder:"N"`

	Kafka string `help:"Script that becomes a node of Apache Kafka, in the place of the embedded broker: deploy/kafka/node.sh." type:"existingfile" placeholder:"FILE"`
	Nodes int    `help:"How many of those; each record is then on two of 3 at least." enum:"1,3" default:"1"`

	Bin  string `help:"Folder of the binaries; that of loadgen itself if empty." type:"path"`
	Keep bool   `help:"Keep the folder of the run also when nothing was wrong."`
}

func (c *chaosCmd) Run(ctx context.Context, out *output) error {
	bin, err := binaries(c.Bin)
	if err != nil {
		return err
	}
	dir, err := chaos.TempDir()
	if err != nil {
		return err
	}
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	out.progress.Say("seed %d", c.Seed)
	cfg := chaos.Config{
		Bin: bin, Dir: dir, Seed: c.Seed, Duration: c.Duration, Kill: c.Kill, Every: c.Every,
		Deletes: c.Deletes, Wipes: c.Wipes, Session: c.Session, Paused: c.Paused,
		Nodes: chaos.Nodes{Script: c.Kafka, Count: c.Nodes}, Say: out.progress.Say,
	}
	broken, err := c.several(ctx, cfg, out)
	if err != nil || broken {
		out.progress.Say("logs and data are kept in %s", dir)
	} else if !c.Keep {
		err = os.RemoveAll(dir)
	}
	if err == nil && broken {
		err = errBroken
	}
	return err
}

// several makes one run, or the matrix, or a run for each seed.
func (c *chaosCmd) several(ctx context.Context, cfg chaos.Config, out *output) (broken bool, err error) {
	switch {
	case c.Matrix || len(c.Rows) > 0:
		return c.runMatrix(ctx, cfg, out)
	case c.Seeds > 1:
		return c.campaign(ctx, cfg, out)
	}
	return c.run(ctx, cfg, out)
}

func (c *chaosCmd) run(ctx context.Context, cfg chaos.Config, out *output) (broken bool, err error) {
	switch {
	case c.Outages:
		rep, err := chaos.Outages(ctx, cfg)
		if err != nil {
			return false, err
		}
		return rep.Broken(), out.result(rep, func() { printOutages(out, rep) })
	case c.Standalone > 0:
		rep, err := chaos.Standalone(ctx, cfg, c.Standalone)
		if err != nil {
			return false, err
		}
		return len(rep.Violations) > 0, out.result(rep, func() { printChaos(out, rep) })
	}
	rep, err := chaos.Play(ctx, cfg, chaos.Script{})
	if err != nil {
		return false, err
	}
	return len(rep.Violations) > 0, out.result(rep, func() { printChaos(out, rep) })
}

// binaries is the folder that holds the services.
func binaries(dir string) (string, error) {
	if dir == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find the binaries: %w", err)
		}
		dir = filepath.Dir(self)
	}
	if _, err := os.Stat(filepath.Join(dir, "standalone")); err != nil {
		return "", fmt.Errorf("find the binaries: %w; build them with make build", err)
	}
	return dir, nil
}

func printChaos(out *output, r *chaos.Report) {
	for _, what := range slices.Sorted(maps.Keys(r.Counts)) {
		out.say("%-42s %8d", what, r.Counts[what])
	}
	if l := r.Relays; l.Sum() > 0 {
		out.say("%-42s %8d held back, %d lost", "answers", l.Delayed, l.Dropped)
	}
	e := r.Entries
	out.say("%-42s %8d", "faults", r.Faults)
	out.say("%-42s %8d", "entries sent", e.Sent)
	out.say("%-42s %8d", "entries acknowledged", e.Acknowledged)
	out.say("%-42s %8d", "must be stored", e.MustStay)
	out.say("%-42s %8d, stored %d", "may be stored", e.MayStay, e.MayStored)
	out.say("%-42s %8d", "must be gone", e.MustGo)
	out.say("%-42s %8d, ids %d, positions %d", "stored", r.Tables.Rows, r.Tables.IDs, r.Tables.Positions)
	out.say("%-42s %8d, by_entity %d, dead letters %d", "groups wrong in by_kind", r.Tables.ByKind, r.Tables.ByEntity, r.Tables.Dead)
	out.say("%-42s %8v", "drained in", round(r.Drain))
	out.say("%-42s %8d twice %d resurrected %d unexpected %d altered %d", "lost", e.Lost, e.Twice, e.Resurrected, e.Unexpected, e.Altered)
	out.say("seed %d: %s", r.Seed, strings.ToUpper(verdictOf(len(r.Violations))))
	for _, v := range r.Violations {
		out.say("  %s", v)
	}
}

func verdictOf(violations int) string {
	if violations == 0 {
		return "exact"
	}
	return fmt.Sprintf("%d violations", violations)
}

func printOutages(out *output, r *chaos.OutageReport) {
	for _, c := range r.Checks {
		out.say("%-4s %-62s %s", map[bool]string{true: "ok", false: "FAIL"}[c.OK], c.What, c.Figure)
	}
}
