// Package matrix is the fault matrix: each row is one fault, played on a cluster of its own, and what must hold under it. Its verdicts
// tell a broken promise from a time that a busy machine may miss.
package matrix

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
)

// Config says which rows of the fault matrix are run, and how long.
type Config struct {
	chaos.Config               // Duration is that of the load of one row
	Rows         []int         // numbers; all if empty
	Keep         bool          // the folders of rows that held
	Kills        int           // of standalone, row 5
	Soak         time.Duration // of row 24
	Progress     func(format string, args ...any)
	Done         func(*Result) // called with each row as it ends
}

// Row is one fault and what must be so under it.
type Row struct {
	Number int
	Fault  string
	Pass   string
	run    func(context.Context, *trial) error
}

// Verdicts of a row.
const (
	Held   = "held"   // every promise was kept
	Slow   = "slow"   // kept, but a figure missed its goal; this machine may have been busy
	Broken = "BROKEN" // a promise was not kept, or the row could not be run
)

// Result is what a row found.
type Result struct {
	Row     int           `json:"row"`
	Fault   string        `json:"fault"`
	Pass    string        `json:"pass"`
	Seed    uint64        `json:"seed"`
	Report  *chaos.Report `json:"report,omitempty"` // nil for a row that a test of a package holds
	Figures []Figure      `json:"figures"`
	Took    time.Duration `json:"took_ns"`
	Verdict string        `json:"verdict"`
	Reasons []string      `json:"reasons,omitempty"` // why it is not held
}

// Figure is a measured value of a row.
type Figure struct {
	What   string `json:"what"`
	Value  string `json:"value"`
	Missed string `json:"missed,omitempty"` // the goal, where it was missed
}

// trial is one row under way.
type trial struct {
	Config
	rep *Result
}

// figure notes a measured value.
func (t *trial) figure(what, value string, args ...any) {
	t.rep.Figures = append(t.rep.Figures, Figure{What: what, Value: fmt.Sprintf(value, args...)})
}

// within notes a time that should not exceed a goal. A busy machine may exceed it: that makes a row slow, not broken.
func (t *trial) within(what string, got, goal time.Duration) {
	f := Figure{What: what, Value: chaos.Round(got).String()}
	if got > goal {
		f.Missed = goal.String()
	}
	t.rep.Figures = append(t.rep.Figures, f)
}

// fail notes a promise that was not kept.
func (t *trial) fail(format string, args ...any) {
	t.rep.Reasons = append(t.rep.Reasons, fmt.Sprintf(format, args...))
}

// play runs the load and a script against a cluster of its own, and keeps what it found as the row's.
func (t *trial) play(ctx context.Context, cfg chaos.Config, s chaos.Script) error {
	rep, err := chaos.Play(ctx, cfg, s)
	if err != nil {
		return err
	}
	t.take(rep)
	return nil
}

func (t *trial) take(rep *chaos.Report) {
	t.rep.Report = rep
	t.rep.Reasons = append(t.rep.Reasons, rep.Violations...)
}

// regressions are the seeds that once found something, by row: they are run again with each run of their row.
var regressions = map[int][]uint64{
	13: {43}, // libchdb goes on after a write that a full disk refused
}

// Run runs the rows one after another, each with the seed of cfg and with those of its regressions. Its error is that
// ctx ended, or that a row is not known.
func Run(ctx context.Context, cfg Config) ([]*Result, error) {
	rows, err := chosen(cfg.Rows)
	if err != nil {
		return nil, err
	}
	var all []*Result
	for _, row := range rows {
		one := cfg
		for _, one.Seed = range seedsOf(row, cfg.Seed) {
			rep := runRow(ctx, one, row)
			if err := ctx.Err(); err != nil {
				return all, err
			}
			all = append(all, rep)
			cfg.Done(rep)
		}
	}
	return all, nil
}

func seedsOf(row Row, seed uint64) []uint64 {
	kept := slices.DeleteFunc(slices.Clone(regressions[row.Number]), func(s uint64) bool { return s == seed })
	return append([]uint64{seed}, kept...)
}

func chosen(numbers []int) (rows []Row, err error) {
	if len(numbers) == 0 {
		return Rows, nil
	}
	for _, n := range numbers {
		i := slices.IndexFunc(Rows, func(r Row) bool { return r.Number == n })
		if i < 0 {
			return nil, fmt.Errorf("the fault matrix has no row %d", n)
		}
		rows = append(rows, Rows[i])
	}
	return rows, nil
}

func runRow(ctx context.Context, cfg Config, row Row) *Result {
	t := &trial{Config: cfg, rep: &Result{Row: row.Number, Fault: row.Fault, Pass: row.Pass, Seed: cfg.Seed}}
	t.Dir = filepath.Join(cfg.Dir, fmt.Sprintf("row-%d", row.Number))
	t.Say = func(format string, args ...any) { cfg.Say("row %d: "+format, append([]any{row.Number}, args...)...) }
	begun := time.Now()
	stop := t.watch(row)
	err := os.MkdirAll(t.Dir, 0o700)
	if err == nil {
		err = row.run(ctx, t)
	}
	stop()
	t.rep.Took = time.Since(begun)
	if err != nil {
		t.fail("not run to its end: %v", err)
	}
	t.judge()
	if t.rep.Verdict != Broken && !t.Keep {
		_ = os.RemoveAll(t.Dir) // else it is kept to be looked at
	}
	return t.rep
}

func (t *trial) judge() {
	t.rep.Verdict = Held
	if slices.ContainsFunc(t.rep.Figures, func(f Figure) bool { return f.Missed != "" }) {
		t.rep.Verdict = Slow
	}
	if len(t.rep.Reasons) > 0 {
		t.rep.Verdict = Broken
	}
}

// watch shows how long the row has been running, until the function it returns is called.
func (t *trial) watch(row Row) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	begun := time.Now()
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			t.Progress("row %d, %s: %v", row.Number, row.Fault, time.Since(begun).Round(time.Second))
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(done); <-ended }
}
