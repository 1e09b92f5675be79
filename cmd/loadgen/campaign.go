package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/cmd/loadgen/chaos/matrix"
)

// runMatrix runs rows of the fault matrix, prints each as it ends, and finally all of them as a table.
func (c *chaosCmd) runMatrix(ctx context.Context, cfg chaos.Config, out *output) (broken bool, err error) {
	m := matrix.Config{
		Config: cfg, Rows: c.Rows, Keep: c.Keep, Kills: c.Kills, Soak: c.Soak, Progress: out.progress.Update,
		Done: func(r *matrix.Result) {
			out.progress.Say("row %d, %s: %s after %v", r.Row, r.Fault, r.Verdict, r.Took.Round(time.Second))
		},
	}
	rows, err := matrix.Run(ctx, m)
	for _, r := range rows {
		broken = broken || r.Verdict == matrix.Broken
	}
	if len(rows) == 0 {
		return broken, err
	}
	if printErr := out.result(rows, func() { printMatrix(out, rows) }); err == nil {
		err = printErr
	}
	return broken, err
}

const matrixHead = "| row | fault | faults | acknowledged | must be stored | lost | twice | resurrected | groups wrong | figures | verdict |\n" +
	"|---|---|---|---|---|---|---|---|---|---|---|"

func printMatrix(out *output, rows []*matrix.Result) {
	out.say("seed %d\n\n%s", rows[0].Seed, matrixHead)
	for _, r := range rows {
		figures := []string{}
		for _, f := range r.Figures {
			text := f.What + ": " + f.Value
			if f.Missed != "" {
				text += " (goal " + f.Missed + ")"
			}
			figures = append(figures, text)
		}
		row := strconv.Itoa(r.Row)
		if r.Seed != rows[0].Seed {
			row += fmt.Sprintf(", seed %d", r.Seed)
		}
		out.say("| %s | %s | %s | %s | **%s** |", row, r.Fault, exactness(r.Report), strings.Join(figures, "; "), r.Verdict)
	}
	for _, r := range rows {
		for _, why := range r.Reasons {
			out.say("row %d: %s", r.Row, why)
		}
	}
}

// exactness returns the columns that every run has; dashes for a row without a run.
func exactness(r *chaos.Report) string {
	if r == nil {
		return "– | – | – | – | – | – | –"
	}
	e := r.Entries
	return fmt.Sprintf("%d | %d | %d | %d | %d | %d | %d", r.Faults, e.Acknowledged, e.MustStay, e.Lost, e.Twice, e.Resurrected, r.Tables.ByKind+r.Tables.ByEntity)
}

// campaign makes a run per seed, prints each as a row of a table, and adds them up.
func (c *chaosCmd) campaign(ctx context.Context, cfg chaos.Config, out *output) (broken bool, err error) {
	if c.Outages {
		return false, fmt.Errorf("--seeds does not apply to --outages, which has no seed")
	}
	var all []*chaos.Report
	for n := range c.Seeds {
		one := cfg
		one.Seed = cfg.Seed + uint64(n)
		one.Dir = filepath.Join(cfg.Dir, fmt.Sprint("seed-", one.Seed))
		if err := os.MkdirAll(one.Dir, 0o700); err != nil {
			return broken, fmt.Errorf("make a folder for the run: %w", err)
		}
		rep, err := c.once(ctx, one)
		if err != nil {
			return broken, err
		}
		all = append(all, rep)
		out.progress.Say("seed %d: %s after %d faults, %d acknowledged", rep.Seed, verdictOf(len(rep.Violations)), rep.Faults, rep.Entries.Acknowledged)
		if len(rep.Violations) > 0 {
			broken = true
		} else if !c.Keep {
			_ = os.RemoveAll(one.Dir)
		}
	}
	return broken, out.result(all, func() { printCampaign(out, all) })
}

func (c *chaosCmd) once(ctx context.Context, cfg chaos.Config) (*chaos.Report, error) {
	if c.Standalone > 0 {
		return chaos.Standalone(ctx, cfg, c.Standalone)
	}
	return chaos.Play(ctx, cfg, chaos.Script{})
}

func printCampaign(out *output, all []*chaos.Report) {
	out.say("\n| seed | faults | acknowledged | must be stored | lost | twice | resurrected | groups wrong | slowest start, ms | verdict |\n|---|---|---|---|---|---|---|---|---|---|")
	var total chaos.Report
	slowest, violations := 0, 0
	for _, r := range all {
		start := 0
		for what, ms := range r.Counts {
			if strings.HasPrefix(what, "slowest start of ") {
				start = max(start, ms)
			}
		}
		out.say("| %d | %s | %d | **%s** |", r.Seed, exactness(r), start, verdictOf(len(r.Violations)))
		add(&total, r)
		slowest, violations = max(slowest, start), violations+len(r.Violations)
	}
	out.say("| all %d | %s | %d | **%s** |", len(all), exactness(&total), slowest, verdictOf(violations))
	for _, r := range all {
		for _, v := range r.Violations {
			out.say("seed %d: %s", r.Seed, v)
		}
	}
}

func add(total, r *chaos.Report) {
	total.Faults += r.Faults
	total.Entries.Acknowledged += r.Entries.Acknowledged
	total.Entries.MustStay += r.Entries.MustStay
	total.Entries.Lost += r.Entries.Lost
	total.Entries.Twice += r.Entries.Twice
	total.Entries.Resurrected += r.Entries.Resurrected
	total.Tables.ByKind += r.Tables.ByKind
	total.Tables.ByEntity += r.Tables.ByEntity
}
