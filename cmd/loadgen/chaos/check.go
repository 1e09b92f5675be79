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

// drainPatience is how long everything acknowledged may take to be stored once all members run again.
const drainPatience = 2 * time.Minute

// Report is what a run found.
type Report struct {
	Seed         uint64         `json:"seed"`
	Load         time.Duration  `json:"load_ns"`
	Drain        time.Duration  `json:"drain_ns"` // from the end of the faults until everything acknowledged was stored
	Faults       int            `json:"faults"`   // injected; those of relays are counted one by one
	Relays       relay.Counts   `json:"relays"`
	Refusals     stats.Summary  `json:"refusals"` // how long it took to refuse writes
	Tally        map[string]int `json:"tally"`
	Entries      Entries        `json:"entries"`
	Tables       oracle.Exact   `json:"tables"`
	AfterRestart oracle.Exact   `json:"tables_after_restart"`
	Violations   []string       `json:"violations"`
}

// Entries is what became of the entries.
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
	OtherID      int `json:"other_id"` // stored under an id that was not acknowledged for it; keyed entries may be
}

// check brings everything up, waits until all that was acknowledged is stored, and compares.
func (r *run) check(ctx context.Context) (*Report, error) {
	rep := &Report{Seed: r.Seed, Load: r.Duration}
	if err := r.recover(ctx); err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := r.drain(ctx); err != nil {
		r.violation("%v", err)
	}
	rep.Drain = time.Since(begun)
	if err := r.settle(ctx); err != nil {
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
	rep.Tally, rep.Violations, rep.Relays = r.tally, r.violations, r.cluster.relayed()
	rep.Refusals = r.refusals.Summary()
	rep.Faults = r.faults + int(rep.Relays.Sum())
	return rep, nil
}

// recover starts and resumes every member, and ends what is still done to their traffic.
func (r *run) recover(ctx context.Context) error {
	for _, link := range r.cluster.Relays {
		link.Set(relay.Faults{})
	}
	for _, name := range r.cluster.Names {
		p := r.cluster.Process(name)
		if !p.Running() {
			if err := p.Start(); err != nil {
				return err
			}
		}
		_ = p.Signal(syscall.SIGCONT)
	}
	for _, name := range r.cluster.Names {
		if _, err := r.cluster.AwaitReady(ctx, name); err != nil {
			r.violation("%v", err)
		}
	}
	return nil
}

// drain waits until a read at the position of everything acknowledged is answered.
func (r *run) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainPatience)
	defer cancel()
	conn, err := client.New(r.cluster.Read, requestTimeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	position := r.reachedSoFar() // what is written from now on is not waited for
	for {
		_, err := conn.Count(ctx, client.Query{Position: position})
		if err == nil {
			return nil
		}
		sleep(ctx, 20*time.Millisecond)
		if ctx.Err() != nil {
			return fmt.Errorf("not everything acknowledged was stored within %v: %w", drainPatience, err)
		}
	}
}

// settle waits until no more entries turn up: the table has not changed for two seconds.
func (r *run) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainPatience)
	defer cancel()
	last, since := int64(-1), time.Now()
	for time.Since(since) < 2*time.Second {
		n, err := r.cluster.Store.Numbers(ctx, `SELECT count() FROM activity`)
		if err != nil {
			return err
		}
		if n[0] != last {
			last, since = n[0], time.Now()
		}
		sleep(ctx, 100*time.Millisecond)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("the table goes on changing: %w", err)
		}
	}
	return nil
}

// compare holds every stored row against the model.
func (r *run) compare(ctx context.Context, rep *Report) (err error) {
	seen := map[int]int{}
	err = r.cluster.Store.Rows(ctx, func(row oracle.Row) error {
		r.compareRow(row, &rep.Entries)
		seen[row.Index]++
		return nil
	})
	if err != nil {
		return err
	}
	r.tallyFates(seen, &rep.Entries)
	if rep.Tables, err = r.cluster.Store.Exact(ctx); err != nil {
		return err
	}
	e := rep.Entries
	if e.Lost+e.Twice+e.Resurrected+e.Unexpected+e.Altered > 0 || r.model.clash > 0 {
		r.violation("%d lost, %d twice, %d resurrected, %d unexpected, %d altered; %d ids acknowledged twice", e.Lost, e.Twice, e.Resurrected, e.Unexpected, e.Altered, r.model.clash)
	}
	if !r.sound(rep.Tables) {
		r.violation("tables: %+v", rep.Tables)
	}
	return nil
}

// sound says whether the tables agree with themselves, but for what the run did to them on purpose.
func (r *run) sound(t oracle.Exact) bool {
	return t.IDs == t.Rows && (t.Positions == t.Rows || r.reused) && t.ByKind == 0 && t.ByEntity == 0 && t.Dead == int64(r.poison)
}

func (r *run) compareRow(row oracle.Row, e *Entries) {
	r.model.mu.Lock()
	defer r.model.mu.Unlock()
	if row.Index < 0 || row.Index >= len(r.model.fates) {
		e.Unexpected++
		return
	}
	f := &r.model.fates[row.Index]
	source := r.source
	if f.rich {
		source = r.rich
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

// tallyFates goes through the entries that were sent; seen is how often each is stored.
func (r *run) tallyFates(seen map[int]int, e *Entries) {
	r.model.mu.Lock()
	defer r.model.mu.Unlock()
	e.Sent = len(r.model.fates)
	for i := range r.model.fates {
		f, n := &r.model.fates[i], seen[i]
		if f.outcome == acknowledged {
			e.Acknowledged++
		}
		if n > 1 {
			e.Twice++
			r.example("twice", i, f)
		}
		switch r.model.judge(f) {
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
func (r *run) example(what string, i int, f *fate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tally["example "+what]++; r.tally["example "+what] <= 5 {
		r.Say("%s: entry %d, id %d, sent %v, done %v, keyed %v, outcome %d, erase %d", what, i, f.id, f.sent, f.done, f.keyed, f.outcome, f.erase)
	}
}

// restarted kills everything once more and starts it: the table must come back as it was, and nothing be replayed into it.
func (r *run) restarted(ctx context.Context, rep *Report) (err error) {
	for _, name := range r.cluster.Names {
		r.cluster.Process(name).Kill()
	}
	if err := r.cluster.Start(ctx, r.cluster.Names...); err != nil {
		return err
	}
	sleep(ctx, 2*time.Second)
	if err := r.settle(ctx); err != nil {
		return err
	}
	if rep.AfterRestart, err = r.cluster.Store.Exact(ctx); err != nil {
		return err
	}
	if rep.AfterRestart != rep.Tables {
		r.violation("after a restart of everything: %+v, before: %+v", rep.AfterRestart, rep.Tables)
	}
	for _, name := range r.cluster.Stops {
		if err := r.cluster.Process(name).Stop(10 * time.Second); err != nil {
			r.violation("SIGTERM: %v", err)
		}
	}
	return nil
}
