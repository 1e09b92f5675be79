package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/relay"
)

// Pause is the fault of a consumer that is stopped for longer than its session, and goes on as if nothing had happened.
const Pause = "pause"

// What else Config.Kill may hold.
const (
	Drop   = "drop"   // answers between a service and what it depends on are lost
	Delay  = "delay"  // they are held back
	Guest  = "guest"  // a consumer comes and goes
	Settle = "settle" // a service ends with SIGTERM, and is started again
)

// Faults are what Config.Kill may hold.
var Faults = []string{Broker, Engine, Collector, "consumer", Query, Pause, Drop, Delay, Guest, Settle}

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
	member, strike := fault, f.kill
	switch fault {
	case "consumer":
		member = f.any(Consumer1, Consumer2)
	case Pause:
		member, strike = f.any(Consumer1, Consumer2), f.pause
	case Settle:
		member, strike = f.any(Collector, Consumer1, Consumer2, Query), f.settleDown
	case Broker:
		member = f.any(f.cluster.Brokers...)
	case Guest:
		member, strike = f.any(f.cluster.Guests...), f.comeAndGo
	case Drop:
		member, strike = f.any(f.cluster.links()...), f.disturb("lost answers of ", relay.Faults{Drop: 0.05 + f.rand.Float64()/2})
	case Delay:
		member, strike = f.any(f.cluster.links()...), f.disturb("held back answers of ", relay.Faults{Delay: time.Duration(1 + f.rand.Int64N(int64(time.Second)))})
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
		strike(ctx, member, away)
	})
}

func (f *faults) any(members ...string) string { return members[f.rand.IntN(len(members))] }

func (f *faults) kill(ctx context.Context, member string, away time.Duration) {
	p := f.cluster.Process(member)
	if !p.Running() {
		f.violation("%s ended by itself; see %s", member, p.Log)
	}
	p.Kill()
	f.struck("kill -9 " + member)
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

func (f *faults) pause(ctx context.Context, member string, _ time.Duration) {
	p := f.cluster.Process(member)
	if p.Signal(syscall.SIGSTOP) != nil {
		return
	}
	f.struck("paused " + member)
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

// disturb has a relay do that to what passes for up to three seconds.
func (f *faults) disturb(what string, faults relay.Faults) func(context.Context, string, time.Duration) {
	return func(ctx context.Context, link string, away time.Duration) {
		f.count(what+link, 1) // a spell; the relay counts the answers
		f.cluster.Relays[link].Set(faults)
		sleep(ctx, 3*away)
		f.cluster.Relays[link].Set(relay.Faults{})
	}
}

// drainLimit is how long a service may take to end after SIGTERM.
const drainLimit = 10 * time.Second

// settleDown ends a service as an update would.
func (f *faults) settleDown(_ context.Context, member string, _ time.Duration) {
	p := f.cluster.Process(member)
	begun := time.Now()
	if err := p.Stop(drainLimit); err != nil {
		f.violation("SIGTERM: %v", err)
	}
	f.struck("SIGTERM " + member)
	f.slowest("slowest end after SIGTERM, ms", time.Since(begun))
	if err := p.Start(); err != nil {
		f.violation("%v", err)
	}
}

// comeAndGo starts one more consumer and ends it a moment later, so that partitions move twice.
func (f *faults) comeAndGo(ctx context.Context, guest string, away time.Duration) {
	p := f.cluster.Process(guest)
	if err := p.Start(); err != nil {
		f.violation("%v", err)
		return
	}
	f.struck("came and went: " + guest)
	sleep(ctx, time.Second+5*away)
	if err := p.Stop(drainLimit); err != nil {
		f.violation("SIGTERM: %v", err)
	}
}
