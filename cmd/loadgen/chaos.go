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

	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
)

type chaosCmd struct {
	Seed     uint64        `help:"Seed of the faults and the load; 0: from the clock."`
	Duration time.Duration `help:"Duration of the load." default:"60s" short:"d"`
	Kill     []string      `help:"Faults to inject: ${faults}." default:"${faults}"`
	Every    time.Duration `help:"Mean time between faults." default:"1500ms"`
	Deletes  int           `help:"Deletes of single entries during the run." default:"200"`
	Wipes    int           `help:"Deletes of everything during the run." default:"5"`
	Session  time.Duration `help:"Session timeout of the consumers: how long the partitions of a killed consumer wait." default:"2s"`
	Paused   time.Duration `help:"How long a paused consumer is stopped; more than its session timeout." default:"5s"`

	Seeds int `help:"Number of runs, each with the next seed." default:"1" placeholder:"N"`

	Matrix bool          `help:"Run the fault matrix row by row; --duration applies to each row."`
	Rows   []int         `help:"Run only these rows of the matrix." placeholder:"N"`
	Kills  int           `help:"Number of kills of standalone in row 5." default:"100"`
	Soak   time.Duration `help:"Duration of row 24." default:"10m"`

	Outages    bool `help:"Check what callers see while the broker or the engine is unavailable, and that services wait for their dependencies."`
	Standalone int  `help:"Kill standalone this many times instead." placeholder:"N"`

	Kafka string `help:"Script that runs a node of Apache Kafka instead of the embedded broker: deploy/kafka/node.sh." type:"existingfile" placeholder:"FILE"`
	Nodes int    `help:"Number of nodes; with 3, each record is on at least two." enum:"1,3" default:"1"`

	Bin  string `help:"Folder of the binaries; empty: that of loadgen." type:"path"`
	Keep bool   `help:"Keep the folder of the run even if nothing was wrong."`
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

// several makes one run, the matrix, or a run per seed.
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

// binaries returns the folder of the services.
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
		out.say("%-42s %8d delayed, %d lost", "responses", l.Delayed, l.Dropped)
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
	t := &term.Table{Columns: []term.Column{{Name: "verdict", Paint: paintVerdict}, {Name: "what", Rank: 1, Min: 30}, {Name: "figure", Rank: 2, Min: 6}}}
	for _, c := range r.Checks {
		t.Add(map[bool]string{true: verdictOf(0), false: "FAIL"}[c.OK], c.What, c.Figure)
	}
	out.table(t)
}
