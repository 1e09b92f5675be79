package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Pause is the fault of a consumer that is stopped for longer than its session, and goes on as if nothing had happened.
const Pause = "pause"

// Faults are what Config.Kill may hold.
var Faults = []string{Broker, Engine, Collector, "consumer", Query, Pause}

// faults breaks members at random. A member is broken by one fault at a time.
type faults struct {
	*run
	rand *rand.Rand
	mu   sync.Mutex
	busy []string
	all  sync.WaitGroup
}

func (r *run) newFaults(seed uint64) *faults {
	return &faults{run: r, rand: rand.New(rand.NewPCG(seed, 3))}
}

func (f *faults) strike(ctx context.Context) {
	defer f.all.Wait()
	for len(f.Kill) > 0 {
		sleep(ctx, f.Every/4+time.Duration(f.rand.Int64N(int64(f.Every*3/2))))
		if ctx.Err() != nil {
			return
		}
		f.one(ctx, f.Kill[f.rand.IntN(len(f.Kill))])
	}
}

func (f *faults) one(ctx context.Context, fault string) {
	member := fault
	if fault == "consumer" || fault == Pause {
		member = []string{Consumer1, Consumer2}[f.rand.IntN(2)]
	}
	if fault == Broker && len(f.cluster.Brokers) > 1 {
		member = f.cluster.Brokers[f.rand.IntN(len(f.cluster.Brokers))]
	}
	away := time.Duration(f.rand.Int64N(int64(time.Second)))
	part := member
	if slices.Contains(f.cluster.Brokers, member) {
		part = Broker // one of them at a time: so many a cluster of three does without
	}
	if !f.take(part) {
		return
	}
	f.all.Go(func() {
		defer f.release(part)
		if fault == Pause {
			f.pause(ctx, member)
			return
		}
		f.kill(ctx, member, away)
	})
}

func (f *faults) kill(ctx context.Context, member string, away time.Duration) {
	p := f.cluster.Process(member)
	if !p.Running() {
		f.violation("%s ended by itself; see %s", member, p.Log)
	}
	p.Kill()
	f.count("kill -9 "+member, 1)
	sleep(ctx, away)
	if err := p.Start(); err != nil {
		f.violation("%v", err)
		return
	}
	if member != Engine && !slices.Contains(f.cluster.Brokers, member) { // the others may be unready because one of these is away
		return
	}
	took, err := f.cluster.AwaitReady(context.WithoutCancel(ctx), member)
	if err != nil {
		f.violation("%v", err)
		return
	}
	f.slowest(fmt.Sprintf("slowest start of %s, ms", member), took)
}

// slowest keeps the longest of some times, in ms.
func (r *run) slowest(what string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally[what] = max(r.tally[what], int(took.Milliseconds()))
}

func (f *faults) pause(ctx context.Context, member string) {
	p := f.cluster.Process(member)
	if p.Signal(syscall.SIGSTOP) != nil {
		return
	}
	f.count("paused "+member, 1)
	sleep(ctx, f.Paused)
	_ = p.Signal(syscall.SIGCONT)
}

func (f *faults) take(member string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.busy, member) {
		return false
	}
	f.busy = append(f.busy, member)
	return true
}

func (f *faults) release(member string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy = slices.DeleteFunc(f.busy, func(b string) bool { return b == member })
}
