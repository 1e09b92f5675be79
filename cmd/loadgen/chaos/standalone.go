package chaos

import (
	"context"
	"math/rand/v2"
	"time"
)

// ReopenLimit is how long standalone may take from its start until it is ready, after it was killed.
const ReopenLimit = 3 * time.Second

// Standalone kills the single process that many times under load, and checks it.
func Standalone(ctx context.Context, cfg Config, times int) (*Report, error) {
	cluster, err := NewStandalone(cfg.Dir, cfg.Bin)
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	if err := cluster.Start(ctx, cluster.Names...); err != nil {
		return nil, err
	}
	cfg.Duration = time.Duration(times) * 2 * time.Second // about; what the deletes are spread over
	r := NewRun(cfg, cluster)
	r.untilStruck = true
	r.UnderLoad(ctx, func(ctx context.Context, seed uint64) { r.killAlone(ctx, seed, times) })
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return r.check(ctx)
}

func (r *Run) killAlone(ctx context.Context, seed uint64, times int) {
	draw := rand.New(rand.NewPCG(seed, 4))
	p := r.Cluster.Process(Alone)
	for n := range times {
		if n%4 == 3 { // now and then it gets as far as storing everything
			r.storedAgain(ctx)
		}
		Sleep(ctx, time.Duration(draw.Int64N(int64(2*time.Second))))
		if !p.Running() {
			r.Violation("standalone ended by itself; see %s", p.Log)
		}
		p.Kill()
		r.Struck("kill -9 standalone")
		if err := p.Start(); err != nil {
			r.Violation("%v", err)
			return
		}
		took, err := r.Cluster.AwaitReady(ctx, Alone)
		if err != nil {
			r.Violation("%v", err)
			return
		}
		if took > ReopenLimit {
			r.Violation("standalone was ready %v after its start", took)
		}
		r.Slowest("slowest start of standalone, ms", took)
		r.Say("kill %d: ready after %v", n+1, took.Round(time.Millisecond))
	}
}

// storedAgain waits until what had been acknowledged is stored, and notes how long that took.
func (r *Run) storedAgain(ctx context.Context) {
	begun := time.Now()
	if err := r.Drain(ctx); err != nil {
		r.Violation("%v", err)
		return
	}
	r.Slowest("slowest until everything was stored again, ms", time.Since(begun))
}
