package chaos

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/cmd/loadgen/oracle"
	"github.com/activitylog/activitylog/cmd/loadgen/relay"
	"github.com/activitylog/activitylog/cmd/loadgen/stats"
)

// DrainTimeout is how long it may take until everything acknowledged is stored, once all members run again.
const DrainTimeout = 2 * time.Minute

// Report has the findings of a run.
type Report struct {
	Seed         uint64         `json:"seed"`
	Load         time.Duration  `json:"load_ns"`
	Drain        time.Duration  `json:"drain_ns"` // from the end of the faults until everything acknowledged was stored
	Faults       int            `json:"faults"`   // injected; relays count each disturbed message
	Relays       relay.Counts   `json:"relays"`
	Refusals     stats.Summary  `json:"refusals"` // latency of refused writes
	Counts       map[string]int `json:"counts"`
	Entries      Entries        `json:"entries"`
	Tables       oracle.Exact   `json:"tables"`
	AfterRestart oracle.Exact   `json:"tables_after_restart"`
	Violations   []string       `json:"violations"`
}

// Entries counts the entries by what had to happen and what happened.
type Entries struct {
	Sent         int `json:"sent"`
	Acknowledged int `json:"acknowledged"`
	MustStay     int `json:"must_stay"`
	MayStay      int `json:"may_stay"`
	MayStored    int `json:"may_stay_stored"`
	MustGo       int `json:"must_go"`
	Lost         int `json:"lost"`
	Twice        int `json:"twice"`
	Resurrected  int `json:"resurrected"` // stored, though deleted or refused
	Unexpected   int `json:"unexpected"`  // stored, never sent
	Altered      int `json:"altered"`
	OtherID      int `json:"other_id"` // stored with an id that was not acknowledged for it; allowed for keyed entries
}

// check starts every member, waits until everything acknowledged is stored, and compares the tables with the model.
func (r *Run) check(ctx context.Context) (*Report, error) {
	rep := &Report{Seed: r.Seed, Load: r.Duration}
	if err := r.Recover(ctx); err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := r.Drain(ctx); err != nil {
		r.Violation("%v", err)
	}
	rep.Drain = time.Since(begun)
	if err := r.AwaitQuiet(ctx); err != nil {
		return nil, err
	}
	if err := r.compare(ctx, rep); err != nil {
		return nil, err
	}
	if err := r.restarted(ctx, rep); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rep.Counts, rep.Violations, rep.Relays = r.counts, r.violations, r.Cluster.relayed()
	rep.Refusals = r.refusals.Summary()
	rep.Faults = r.faults + int(rep.Relays.Sum())
	return rep, nil
}

// Recover starts and resumes every member, and ends all faults of relays.
func (r *Run) Recover(ctx context.Context) error {
	for _, link := range r.Cluster.Relays {
		link.Set(relay.Faults{})
	}
	for _, name := range r.Cluster.Names {
		p := r.Cluster.Process(name)
		if !p.Running() {
			if err := p.Start(); err != nil {
				return err
			}
		}
		_ = p.Signal(syscall.SIGCONT)
	}
	for _, name := range r.Cluster.Names {
		if _, err := r.Cluster.AwaitReady(ctx, name); err != nil {
			r.Violation("%v", err)
		}
	}
	return nil
}

// Drain waits until a read at the position of everything acknowledged is answered.
func (r *Run) Drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, DrainTimeout)
	defer cancel()
	conn, err := client.New(r.Cluster.Read, requestTimeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	position := r.Position() // later writes are not waited for
	for {
		_, err := conn.Count(ctx, client.Query{Position: position})
		if err == nil {
			return nil
		}
		Sleep(ctx, 20*time.Millisecond)
		if ctx.Err() != nil {
			return fmt.Errorf("not everything acknowledged was stored within %v: %w", DrainTimeout, err)
		}
	}
}

// AwaitQuiet waits until the number of stored entries has not changed for two seconds.
func (r *Run) AwaitQuiet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, DrainTimeout)
	defer cancel()
	last, since := int64(-1), time.Now()
	for time.Since(since) < 2*time.Second {
		n, err := r.Cluster.Store.Numbers(ctx, `SELECT count() FROM activity`)
		if err != nil {
			return err
		}
		if n[0] != last {
			last, since = n[0], time.Now()
		}
		Sleep(ctx, 100*time.Millisecond)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("the table keeps changing: %w", err)
		}
	}
	return nil
}

// compare compares every stored row with the model.
func (r *Run) compare(ctx context.Context, rep *Report) (err error) {
	seen := map[int]int{}
	err = r.Cluster.Store.Rows(ctx, func(row oracle.Row) error {
		r.compareRow(row, &rep.Entries)
		seen[row.Index]++
		return nil
	})
	if err != nil {
		return err
	}
	r.countFates(seen, &rep.Entries)
	if rep.Tables, err = r.Cluster.Store.Exact(ctx); err != nil {
		return err
	}
	e := rep.Entries
	if e.Lost+e.Twice+e.Resurrected+e.Unexpected+e.Altered > 0 || r.Model.clash > 0 {
		r.Violation("%d lost, %d twice, %d resurrected, %d unexpected, %d altered; %d ids acknowledged twice", e.Lost, e.Twice, e.Resurrected, e.Unexpected, e.Altered, r.Model.clash)
	}
	if !r.sound(rep.Tables) {
		r.Violation("tables: %+v", rep.Tables)
	}
	return nil
}

// sound reports whether the tables are consistent, except for what the run broke on purpose.
func (r *Run) sound(t oracle.Exact) bool {
	return t.IDs == t.Rows && t.Positions == t.Rows && t.ByKind == 0 && t.ByEntity == 0 && t.Dead == int64(r.Poison)
}

func (r *Run) compareRow(row oracle.Row, e *Entries) {
	r.Model.mu.Lock()
	defer r.Model.mu.Unlock()
	if row.Index < 0 || row.Index >= len(r.Model.fates) {
		e.Unexpected++
		return
	}
	f := &r.Model.fates[row.Index]
	source := r.Source
	if f.rich {
		source = r.Rich
	}
	if !row.Same(source) {
		e.Altered++
	}
	if f.id == row.ID || f.outcome != acknowledged {
		return
	}
	e.OtherID++
	if !f.keyed {
		e.Unexpected++
	}
}

// countFates counts the entries that were sent; seen is how often each is stored.
func (r *Run) countFates(seen map[int]int, e *Entries) {
	r.Model.mu.Lock()
	defer r.Model.mu.Unlock()
	e.Sent = len(r.Model.fates)
	for i := range r.Model.fates {
		f, n := &r.Model.fates[i], seen[i]
		if f.outcome == acknowledged {
			e.Acknowledged++
		}
		if n > 1 {
			e.Twice++
			r.example("twice", i, f)
		}
		switch r.Model.judge(f) {
		case mustStay:
			e.MustStay++
			if n == 0 {
				e.Lost++
				r.example("lost", i, f)
			}
		case mayStay:
			e.MayStay++
			e.MayStored += min(n, 1)
		case mustGo:
			e.MustGo++
			if n > 0 {
				e.Resurrected++
				r.example("resurrected", i, f)
			}
		}
	}
}

// example prints the first few entries of each fault.
func (r *Run) example(what string, i int, f *fate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts["example "+what]++; r.counts["example "+what] <= 5 {
		r.Say("%s: entry %d, id %d, sent %v, done %v, keyed %v, outcome %d, erase %d", what, i, f.id, f.sent, f.done, f.keyed, f.outcome, f.erase)
	}
}

// restarted kills and starts every member once more. The tables must be the same as before: nothing may be lost or replayed.
func (r *Run) restarted(ctx context.Context, rep *Report) (err error) {
	for _, name := range r.Cluster.Names {
		r.Cluster.Process(name).Kill()
	}
	if err := r.Cluster.Start(ctx, r.Cluster.Names...); err != nil {
		return err
	}
	Sleep(ctx, 2*time.Second)
	if err := r.AwaitQuiet(ctx); err != nil {
		return err
	}
	if rep.AfterRestart, err = r.Cluster.Store.Exact(ctx); err != nil {
		return err
	}
	if rep.AfterRestart != rep.Tables {
		r.Violation("after a restart of everything: %+v, before: %+v", rep.AfterRestart, rep.Tables)
	}
	for _, name := range r.Cluster.Stops {
		if err := r.Cluster.Process(name).Stop(10 * time.Second); err != nil {
			r.Violation("SIGTERM: %v", err)
		}
	}
	return nil
}
