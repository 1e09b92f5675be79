package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/cmd/loadgen/stats"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
	"github.com/activitylog/activitylog/schema"
)

// Config says what a run does.
type Config struct {
	Bin      string        // folder of the binaries
	Dir      string        // folder of the run
	Seed     uint64        // of the faults and the load
	Duration time.Duration // of the load
	Kill     []string      // faults to inject, see Faults
	Every    time.Duration // mean time between faults
	Deletes  int           // number of deletes of single entries
	Wipes    int           // number of deletes of everything, in the first 60 % of the run
	Session  time.Duration // of the consumers; 0 is their default
	Nodes    Nodes         // of Apache Kafka; without any: the embedded broker
	Paused   time.Duration // how long a paused consumer is stopped: longer than its session timeout
	Thrice   bool          // send keyed entries until they were acknowledged three times

	WriteOnly bool // no worker reads its own writes
	Say       func(format string, args ...any)
}

// Run is a load on a cluster, and what its callers were answered.
type Run struct {
	Config
	Cluster *Cluster
	Source  *workload.Source // of entries that are written in the fleet dialect
	Rich    *workload.Source // of entries that are written in the audit dialect, with all that an entry can have
	Model   *model

	Poison int      // expected dead letters
	Full   bool     // POST may be answered 507: the disk is full
	Writes []string // base URLs of collectors for the writers; empty: the collector of the cluster

	untilStruck bool // the run ends with the last fault, not after its duration

	mu         sync.Mutex
	position   schema.Position // of everything acknowledged
	violations []string
	counts     map[string]int
	faults     int // injected, without those of relays
	refusals   stats.Histogram
	workers    int
}

// NewRun prepares a load on cluster.
func NewRun(cfg Config, cluster *Cluster) *Run {
	source := workload.New(cfg.Seed, 1_000_000, time.Now().UnixMilli())
	return &Run{
		Config: cfg, Cluster: cluster, Model: newModel(), position: schema.Position{}, counts: map[string]int{},
		Source: source, Rich: source.Rich(),
	}
}

// Script replaces steps of a run. A nil step does what a run does by default; the default of Strike injects random faults of
// Config.Kill.
type Script struct {
	Plan   func(*Plan)
	Begin  func(context.Context, *Run) error              // once every member is ready, before the load
	Strike func(ctx context.Context, r *Run, seed uint64) // injects faults under load; returns by itself or when ctx ends
	Finish func(context.Context, *Run) error              // after the load, before everything is compared
}

// Play starts a cluster, breaks it as the script says, and checks it. Its error means that the run could not be made; what the
// run found is in the report.
func Play(ctx context.Context, cfg Config, s Script) (*Report, error) {
	plan := Plan{Session: cfg.Session, Nodes: cfg.Nodes, Relays: true, Seed: cfg.Seed, Guests: 1}
	if s.Plan != nil {
		s.Plan(&plan)
	}
	cluster, err := NewCluster(ctx, cfg.Dir, cfg.Bin, plan)
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	if err := cluster.Start(ctx, cluster.Names...); err != nil {
		return nil, err
	}
	cfg.Say("%d processes are ready in %s", len(cluster.Names), cfg.Dir)
	r := NewRun(cfg, cluster)
	if s.Begin != nil {
		if err := s.Begin(ctx, r); err != nil {
			return nil, err
		}
	}
	if s.Strike == nil {
		s.Strike = func(ctx context.Context, r *Run, seed uint64) { r.NewInjector(seed).strike(ctx) }
	}
	r.UnderLoad(ctx, func(ctx context.Context, seed uint64) { s.Strike(ctx, r, seed) })
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.Finish != nil {
		if err := s.Finish(ctx, r); err != nil {
			return nil, err
		}
	}
	return r.check(ctx)
}

// UnderLoad writes, reads and deletes while strike injects faults. It ends when strike returns, or when the duration has passed and all
// deletes were answered.
func (r *Run) UnderLoad(ctx context.Context, strike func(ctx context.Context, seed uint64)) {
	ctx, cancel := context.WithTimeout(ctx, maxRunFactor*r.Duration)
	defer cancel()
	var all sync.WaitGroup
	seeds := rand.New(rand.NewPCG(r.Seed, 1))
	start := func(n int, f func(*Worker, context.Context)) {
		for range n {
			w := r.NewWorker(seeds.Uint64())
			all.Go(func() { defer w.Close(); f(w, ctx) })
		}
	}
	start(2, (*Worker).writeBatches)
	start(4, (*Worker).writeSingles)
	start(2, (*Worker).writeKeyed)
	start(1, (*Worker).writeKeyedBatches)
	if !r.WriteOnly {
		start(2, (*Worker).readOwnWrites)
	}
	var deletes sync.WaitGroup
	for range min(r.Deletes, deleters) {
		w := r.NewWorker(seeds.Uint64())
		deletes.Go(func() { defer w.Close(); w.deleteSingles(ctx) })
	}
	if r.Wipes > 0 {
		w := r.NewWorker(seeds.Uint64())
		deletes.Go(func() { defer w.Close(); w.deleteAlls(ctx) })
	}
	all.Go(func() {
		defer cancel()
		strike(ctx, seeds.Uint64())
	})
	if !r.untilStruck {
		all.Go(func() {
			defer cancel()
			Sleep(ctx, r.Duration)
			deletes.Wait()
		})
	}
	all.Wait()
	deletes.Wait()
}

// maxRunFactor is how many times its duration a run may last to get all deletes answered.
const maxRunFactor = 4

// Violation records a broken promise.
func (r *Run) Violation(format string, args ...any) {
	text := fmt.Sprintf("%7.2fs ", r.Model.Now().Seconds()) + fmt.Sprintf(format, args...)
	r.mu.Lock()
	r.violations = append(r.violations, text)
	r.mu.Unlock()
	r.Say("VIOLATION %s", text)
}

// Count adds n to one of the counters of the report.
func (r *Run) Count(what string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what] += n
}

// Counted returns the value of one of the counters.
func (r *Run) Counted(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[what]
}

// Struck counts a fault that was injected.
func (r *Run) Struck(what string) {
	r.Count(what, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults++
}

// Position covers everything that has been acknowledged so far.
func (r *Run) Position() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.position.String()
}

// ForgetPosition is called when the log has lost its newest records: earlier positions no longer name its records.
func (r *Run) ForgetPosition() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.position = schema.Position{}
}

// reached extends the position that covers everything acknowledged.
func (r *Run) reached(text string) {
	p, err := schema.ParsePosition(text)
	if err != nil || len(p) == 0 {
		r.Violation("an acknowledged write has the position %q", text)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for partition, offset := range p {
		r.position.Add(partition, offset)
	}
}

// Worker is a caller with a connection to each service.
type Worker struct {
	*Run
	rand  *rand.Rand
	write *client.Conn
	Read  *client.Conn
	Body  []byte
	last  string        // position of the last acknowledged write
	Took  time.Duration // latency of the last write
}

const requestTimeout = 15 * time.Second

// NewWorker returns a worker with its own connections.
func (r *Run) NewWorker(seed uint64) *Worker {
	w := &Worker{Run: r, rand: rand.New(rand.NewPCG(seed, 2))}
	write := r.Cluster.Write
	if len(r.Writes) > 0 {
		write = r.Writes[r.workers%len(r.Writes)]
	}
	r.workers++
	w.write, _ = client.New(write, requestTimeout) // both URLs are valid
	w.Read, _ = client.New(r.Cluster.Read, requestTimeout)
	return w
}

// Close closes the connections.
func (w *Worker) Close() {
	w.write.Close()
	w.Read.Close()
}

// pause waits a random time between low and high.
func (w *Worker) pause(ctx context.Context, low, high time.Duration) {
	Sleep(ctx, low+time.Duration(w.rand.Int64N(int64(high-low))))
}

// Sleep waits for d, or until ctx ends.
func Sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
