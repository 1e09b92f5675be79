package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/term"
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

func printMatrix(out *output, rows []*matrix.Result) {
	out.say("seed %d\n", rows[0].Seed)
	t := &term.Table{Columns: append(append([]term.Column{{Name: "row", Rank: 1, Min: 3}, {Name: "fault", Rank: 2, Min: 20}}, exactColumns()...),
		term.Column{Name: "figures", Rank: 9, Min: 10}, term.Column{Name: "verdict", Paint: paintVerdict})}
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
		t.Add(append(append([]string{row, r.Fault}, exactness(r.Report)...), strings.Join(figures, "; "), fmt.Sprint(r.Verdict))...)
	}
	out.table(t)
	for _, r := range rows {
		for _, why := range r.Reasons {
			out.say("row %d: %s", r.Row, why)
		}
	}
}

// exactColumns are the columns that every run has.
func exactColumns() (all []term.Column) {
	for i, name := range []string{"faults", "acknowledged", "must be stored", "lost", "twice", "resurrected", "groups wrong"} {
		all = append(all, term.Column{Name: name, Right: true, Rank: []int{5, 6, 7, 0, 0, 3, 4}[i]})
	}
	return all
}

// exactness are their cells; empty ones for a row without a run.
func exactness(r *chaos.Report) []string {
	if r == nil {
		return make([]string, 7)
	}
	e, cells := r.Entries, []string{}
	for _, n := range []int{r.Faults, e.Acknowledged, e.MustStay, e.Lost, e.Twice, e.Resurrected} {
		cells = append(cells, strconv.Itoa(n))
	}
	return append(cells, strconv.FormatInt(r.Tables.ByKind+r.Tables.ByEntity, 10))
}

func paintVerdict(verdict string) term.Style {
	switch verdict {
	case verdictOf(0), matrix.Held:
		return term.Green
	case matrix.Slow:
		return term.Yellow
	}
	return term.Red
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
	t := &term.Table{Columns: append(append([]term.Column{{Name: "seed"}}, exactColumns()...),
		term.Column{Name: "slowest start, ms", Right: true, Rank: 8}, term.Column{Name: "verdict", Paint: paintVerdict})}
	var total chaos.Report
	slowest, violations := 0, 0
	for _, r := range all {
		start := 0
		for what, ms := range r.Counts {
			if strings.HasPrefix(what, "slowest start of ") {
				start = max(start, ms)
			}
		}
		t.Add(append(append([]string{strconv.FormatUint(r.Seed, 10)}, exactness(r)...), strconv.Itoa(start), verdictOf(len(r.Violations)))...)
		add(&total, r)
		slowest, violations = max(slowest, start), violations+len(r.Violations)
	}
	t.Add(append(append([]string{fmt.Sprintf("all %d", len(all))}, exactness(&total)...), strconv.Itoa(slowest), verdictOf(violations))...)
	out.say("")
	out.table(t)
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
