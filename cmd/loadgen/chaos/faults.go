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

// Pause stops a consumer (SIGSTOP) for longer than its session timeout, and then continues it.
const Pause = "pause"

// Other faults of Config.Kill.
const (
	Drop    = "drop"    // responses of a dependency are lost
	Delay   = "delay"   // responses of a dependency are delayed
	Guest   = "guest"   // one more consumer starts and stops
	Restart = "restart" // a service is stopped with SIGTERM and started again
)

// Faults are the possible values of Config.Kill.
var Faults = []string{Broker, Engine, Collector, "consumer", Query, Pause, Drop, Delay, Guest, Restart}

// Injector injects random faults, at most one at a time per member.
type Injector struct {
	*Run
	Rand *rand.Rand
	mu   sync.Mutex
	busy []string
	all  sync.WaitGroup
}

// NewInjector returns an injector whose faults follow from seed.
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
	case Restart:
		member, strike = f.Any(Collector, Consumer1, Consumer2, Query), f.Restart
	case Broker:
		member = f.Any(f.Cluster.Brokers...)
	case Guest:
		member, strike = f.Any(f.Cluster.Guests...), f.comeAndGo
	case Drop:
		member, strike = f.Any(f.Cluster.links()...), f.disturb("lost responses of ", relay.Faults{Drop: 0.05 + f.Rand.Float64()/2})
	case Delay:
		member, strike = f.Any(f.Cluster.links()...), f.disturb("delayed responses of ", relay.Faults{Delay: time.Duration(1 + f.Rand.Int64N(int64(time.Second)))})
	}
	away := time.Duration(f.Rand.Int64N(int64(time.Second)))
	part := member
	if slices.Contains(f.Cluster.Brokers, member) {
		part = Broker // one broker at a time: a cluster of three survives that
	}
	if !f.take(part) {
		return
	}
	f.all.Go(func() {
		defer f.release(part)
		strike(ctx, member, away)
	})
}

// Any returns one of the members at random.
func (f *Injector) Any(members ...string) string { return members[f.Rand.IntN(len(members))] }

// KillAndRestart kills a member and starts it again after the time away. It waits for a dependency to be ready.
func (f *Injector) KillAndRestart(ctx context.Context, member string, away time.Duration) {
	p := f.Cluster.Process(member)
	if !p.Running() {
		f.Violation("%s exited by itself; see %s", member, p.Log)
	}
	p.Kill()
	f.Struck("kill -9 " + member)
	Sleep(ctx, away)
	if err := p.Start(); err != nil {
		f.Violation("%v", err)
		return
	}
	if member != Engine && !slices.Contains(f.Cluster.Brokers, member) { // the others may not be ready because a dependency is unavailable
		return
	}
	took, err := f.Cluster.AwaitReady(context.WithoutCancel(ctx), member)
	if err != nil {
		f.Violation("%v", err)
		return
	}
	f.Slowest(fmt.Sprintf("slowest start of %s, ms", member), took)
}

// Slowest keeps the longest time of several, in ms.
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

// disturb returns a fault that disturbs the traffic of a relay for up to three seconds.
func (f *Injector) disturb(what string, faults relay.Faults) func(context.Context, string, time.Duration) {
	return func(ctx context.Context, link string, away time.Duration) {
		f.Count(what+link, 1) // the relay counts the responses
		f.Cluster.Relays[link].Set(faults)
		Sleep(ctx, 3*away)
		f.Cluster.Relays[link].Set(relay.Faults{})
	}
}

// StopLimit is how long a service may take to exit after SIGTERM.
const StopLimit = 10 * time.Second

// Restart stops and starts a service, like an update.
func (f *Injector) Restart(_ context.Context, member string, _ time.Duration) {
	p := f.Cluster.Process(member)
	begun := time.Now()
	if err := p.Stop(StopLimit); err != nil {
		f.Violation("SIGTERM: %v", err)
	}
	f.Struck("SIGTERM " + member)
	f.Slowest("slowest shutdown, ms", time.Since(begun))
	if err := p.Start(); err != nil {
		f.Violation("%v", err)
	}
}

// comeAndGo starts one more consumer and stops it a moment later, so that partitions move twice.
func (f *Injector) comeAndGo(ctx context.Context, guest string, away time.Duration) {
	p := f.Cluster.Process(guest)
	if err := p.Start(); err != nil {
		f.Violation("%v", err)
		return
	}
	f.Struck("started and stopped " + guest)
	Sleep(ctx, time.Second+5*away)
	if err := p.Stop(StopLimit); err != nil {
		f.Violation("SIGTERM: %v", err)
	}
}
