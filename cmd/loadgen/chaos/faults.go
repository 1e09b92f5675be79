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

// Injector breaks members at random. A member is broken by one fault at a time.
type Injector struct {
	*Run
	Rand *rand.Rand
	mu   sync.Mutex
	busy []string
	all  sync.WaitGroup
}

func (r *Run) NewInjector(seed uint64) *Injector {
	return &Injector{Run: r, Rand: rand.New(rand.NewPCG(seed, 3))}
}

func (f *Injector) strike(ctx context.Context) {
	defer f.all.Wait()
	for len(f.Kill) > 0 {
		Sleep(ctx, f.Every/4+time.Duration(f.Rand.Int64N(int64(f.Every*3/2))))
		if ctx.Err() != nil {
			return
		}
		f.one(ctx, f.Kill[f.Rand.IntN(len(f.Kill))])
	}
}

func (f *Injector) one(ctx context.Context, fault string) {
	member, strike := fault, f.KillAndRestart
	switch fault {
	case "consumer":
		member = f.Any(Consumer1, Consumer2)
	case Pause:
		member, strike = f.Any(Consumer1, Consumer2), f.pause
	case Settle:
		member, strike = f.Any(Collector, Consumer1, Consumer2, Query), f.settleDown
	case Broker:
		member = f.Any(f.Cluster.Brokers...)
	case Guest:
		member, strike = f.Any(f.Cluster.Guests...), f.comeAndGo
	case Drop:
		member, strike = f.Any(f.Cluster.links()...), f.disturb("lost answers of ", relay.Faults{Drop: 0.05 + f.Rand.Float64()/2})
	case Delay:
		member, strike = f.Any(f.Cluster.links()...), f.disturb("held back answers of ", relay.Faults{Delay: time.Duration(1 + f.Rand.Int64N(int64(time.Second)))})
	}
	away := time.Duration(f.Rand.Int64N(int64(time.Second)))
	part := member
	if slices.Contains(f.Cluster.Brokers, member) {
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

func (f *Injector) Any(members ...string) string { return members[f.Rand.IntN(len(members))] }

func (f *Injector) KillAndRestart(ctx context.Context, member string, away time.Duration) {
	p := f.Cluster.Process(member)
	if !p.Running() {
		f.Violation("%s ended by itself; see %s", member, p.Log)
	}
	p.Kill()
	f.Struck("kill -9 " + member)
	Sleep(ctx, away)
	if err := p.Start(); err != nil {
		f.Violation("%v", err)
		return
	}
	if member != Engine && !slices.Contains(f.Cluster.Brokers, member) { // the others may be unready because one of these is away
		return
	}
	took, err := f.Cluster.AwaitReady(context.WithoutCancel(ctx), member)
	if err != nil {
		f.Violation("%v", err)
		return
	}
	f.Slowest(fmt.Sprintf("slowest start of %s, ms", member), took)
}

// Slowest keeps the longest of some times, in ms.
func (r *Run) Slowest(what string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what] = max(r.counts[what], int(took.Milliseconds()))
}

func (f *Injector) pause(ctx context.Context, member string, _ time.Duration) {
	p := f.Cluster.Process(member)
	if p.Signal(syscall.SIGSTOP) != nil {
		return
	}
	f.Struck("paused " + member)
	Sleep(ctx, f.Paused)
	_ = p.Signal(syscall.SIGCONT)
}

func (f *Injector) take(member string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.busy, member) {
		return false
	}
	f.busy = append(f.busy, member)
	return true
}

func (f *Injector) release(member string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy = slices.DeleteFunc(f.busy, func(b string) bool { return b == member })
}

// disturb has a relay do that to what passes for up to three seconds.
func (f *Injector) disturb(what string, faults relay.Faults) func(context.Context, string, time.Duration) {
	return func(ctx context.Context, link string, away time.Duration) {
		f.Count(what+link, 1) // a spell; the relay counts the answers
		f.Cluster.Relays[link].Set(faults)
		Sleep(ctx, 3*away)
		f.Cluster.Relays[link].Set(relay.Faults{})
	}
}

// StopLimit is how long a service may take to end after SIGTERM.
const StopLimit = 10 * time.Second

// settleDown ends a service as an update would.
func (f *Injector) settleDown(_ context.Context, member string, _ time.Duration) {
	p := f.Cluster.Process(member)
	begun := time.Now()
	if err := p.Stop(StopLimit); err != nil {
		f.Violation("SIGTERM: %v", err)
	}
	f.Struck("SIGTERM " + member)
	f.Slowest("slowest end after SIGTERM, ms", time.Since(begun))
	if err := p.Start(); err != nil {
		f.Violation("%v", err)
	}
}

// comeAndGo starts one more consumer and ends it a moment later, so that partitions move twice.
func (f *Injector) comeAndGo(ctx context.Context, guest string, away time.Duration) {
	p := f.Cluster.Process(guest)
	if err := p.Start(); err != nil {
		f.Violation("%v", err)
		return
	}
	f.Struck("came and went: " + guest)
	Sleep(ctx, time.Second+5*away)
	if err := p.Stop(StopLimit); err != nil {
		f.Violation("SIGTERM: %v", err)
	}
}
