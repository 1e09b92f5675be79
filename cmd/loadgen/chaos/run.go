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
	Kill     []string      // what to break: members, "consumer" for either, "pause" for a consumer stopped past its session
	Every    time.Duration // mean time between faults
	Deletes  int           // of single entries
	Wipes    int           // deletes of everything, in the first 60 % of the run
	Session  time.Duration // of the consumers; 0 is their default
	Nodes    Nodes         // of Apache Kafka; none: the embedded broker
	Paused   time.Duration // how long a paused consumer is stopped; more than its session timeout
	Thrice   bool          // keyed entries are sent until they were acknowledged three times

	WriteOnly bool // nobody reads their own writes
	Say       func(format string, args ...any)
}

// run is a run under way.
type run struct {
	Config
	cluster *Cluster
	source  *workload.Source // of what is written in the fleet dialect
	rich    *workload.Source // the same, of what is written in the audit dialect
	model   *model

	untilStruck bool // the run ends with the last fault, not after its duration
	reused      bool // offsets were given out twice: two entries may have one position
	poison      int  // dead letters that there must be

	mu         sync.Mutex
	position   schema.Position // of everything acknowledged
	violations []string
	tally      map[string]int
	faults     int  // injected, those of relays not counted
	full       bool // POST may be answered that the disk is full
	refusals   stats.Histogram
	writes     []string // base URLs of collectors, which the writers share; that of the cluster if empty
	workers    int
}

func newRun(cfg Config, cluster *Cluster) *run {
	source := workload.New(cfg.Seed, 1_000_000, time.Now().UnixMilli())
	return &run{
		Config: cfg, cluster: cluster, model: newModel(), position: schema.Position{}, tally: map[string]int{},
		source: source, rich: source.Rich(),
	}
}

// script is what a run does in the place of the usual.
type script struct {
	plan   func(*Plan)
	begin  func(context.Context, *run) error              // once everything is up, before the load
	strike func(ctx context.Context, r *run, seed uint64) // breaks things under load; it ends when it wants to or when ctx does
	finish func(context.Context, *run) error              // after the load, before everything is compared
}

// Run starts a cluster, breaks it, and checks it. The error is that the run could not be made; what it found is in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) { return runScript(ctx, cfg, script{}) }

func runScript(ctx context.Context, cfg Config, s script) (*Report, error) {
	plan := Plan{Session: cfg.Session, Nodes: cfg.Nodes, Relays: true, Seed: cfg.Seed, Guests: 1}
	if s.plan != nil {
		s.plan(&plan)
	}
	cluster, err := NewCluster(ctx, cfg.Dir, cfg.Bin, plan)
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	if err := cluster.Start(ctx, cluster.Names...); err != nil {
		return nil, err
	}
	cfg.Say("%d processes are up in %s", len(cluster.Names), cfg.Dir)
	r := newRun(cfg, cluster)
	if s.begin != nil {
		if err := s.begin(ctx, r); err != nil {
			return nil, err
		}
	}
	if s.strike == nil {
		s.strike = func(ctx context.Context, r *run, seed uint64) { r.newFaults(seed).strike(ctx) }
	}
	r.underLoad(ctx, func(ctx context.Context, seed uint64) { s.strike(ctx, r, seed) })
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.finish != nil {
		if err := s.finish(ctx, r); err != nil {
			return nil, err
		}
	}
	return r.check(ctx)
}

// underLoad writes, reads and deletes while it is broken, and returns when all of that has ended: when strike has, or when
// the duration has passed and as many deletes were answered as were wanted.
func (r *run) underLoad(ctx context.Context, strike func(ctx context.Context, seed uint64)) {
	ctx, cancel := context.WithTimeout(ctx, patienceFactor*r.Duration)
	defer cancel()
	var all sync.WaitGroup
	seeds := rand.New(rand.NewPCG(r.Seed, 1))
	start := func(n int, f func(*worker, context.Context)) {
		for range n {
			w := r.newWorker(seeds.Uint64())
			all.Go(func() { defer w.close(); f(w, ctx) })
		}
	}
	start(2, (*worker).writeBatches)
	start(4, (*worker).writeSingles)
	start(2, (*worker).writeKeyed)
	start(1, (*worker).writeKeyedBatches)
	if !r.WriteOnly {
		start(2, (*worker).readOwnWrites)
	}
	var deletes sync.WaitGroup
	for range min(r.Deletes, deleters) {
		w := r.newWorker(seeds.Uint64())
		deletes.Go(func() { defer w.close(); w.deleteSingles(ctx) })
	}
	if r.Wipes > 0 {
		w := r.newWorker(seeds.Uint64())
		deletes.Go(func() { defer w.close(); w.deleteAlls(ctx) })
	}
	all.Go(func() {
		defer cancel()
		strike(ctx, seeds.Uint64())
	})
	if !r.untilStruck {
		all.Go(func() {
			defer cancel()
			sleep(ctx, r.Duration)
			deletes.Wait()
		})
	}
	all.Wait()
	deletes.Wait()
}

// patienceFactor is how many times its duration a run may last, for the deletes that are wanted to be answered.
const patienceFactor = 4

// violation notes a promise that was broken.
func (r *run) violation(format string, args ...any) {
	text := fmt.Sprintf("%7.2fs ", r.model.now().Seconds()) + fmt.Sprintf(format, args...)
	r.mu.Lock()
	r.violations = append(r.violations, text)
	r.mu.Unlock()
	r.Say("VIOLATION %s", text)
}

func (r *run) count(what string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally[what] += n
}

// struck counts a fault that was injected.
func (r *run) struck(what string) {
	r.count(what, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults++
}

// reached raises the position that everything acknowledged has.
func (r *run) reached(text string) {
	p, err := schema.ParsePosition(text)
	if err != nil || len(p) == 0 {
		r.violation("an acknowledged write has the position %q", text)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for partition, offset := range p {
		r.position.Add(partition, offset)
	}
}

// worker is one caller, with a connection to each service.
type worker struct {
	*run
	rand  *rand.Rand
	write *client.Conn
	read  *client.Conn
	body  []byte
	last  string        // position of the last acknowledged write
	took  time.Duration // of the last answer to a write
}

const requestTimeout = 15 * time.Second

func (r *run) newWorker(seed uint64) *worker {
	w := &worker{run: r, rand: rand.New(rand.NewPCG(seed, 2))}
	write := r.cluster.Write
	if len(r.writes) > 0 {
		write = r.writes[r.workers%len(r.writes)]
	}
	r.workers++
	w.write, _ = client.New(write, requestTimeout) // both are URLs of ours
	w.read, _ = client.New(r.cluster.Read, requestTimeout)
	return w
}

func (w *worker) close() {
	w.write.Close()
	w.read.Close()
}

// pause waits between low and high.
func (w *worker) pause(ctx context.Context, low, high time.Duration) {
	sleep(ctx, low+time.Duration(w.rand.Int64N(int64(high-low))))
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
