package collector

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/activitylog/activitylog/schema/api"
)

// How long a body may hold memory while memory is short.
const (
	leastHold = 10 * time.Second // if it holds all of it; one that holds half may take twice as long, and so on
	mostHold  = 2 * time.Minute
	freedIn   = 250 * time.Millisecond // a body that gives way has answered by then
)

// arriving are the bodies that hold memory while they arrive. A slow client may take an hour as long as nobody else needs the memory;
// without this, six slow bodies of 16 MiB would keep all other writes out for so long.
type arriving struct {
	now    func() time.Time
	giving atomic.Int64 // bytes of bodies that give way and have not been released

	mu  sync.Mutex // guards all, and since, gone and held of the bodies in it
	all map[*body]struct{}
}

// hold sets what d holds. Small bodies are too many to follow, and hold too little to be worth it.
func (a *arriving) hold(d *body, size int64) {
	if d.source == nil || size <= firstBuffer {
		d.held = size
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	d.held = size
	if d.since.IsZero() {
		d.since = a.now()
		a.all[d] = struct{}{}
	}
}

// leave is called when d has arrived, or never will.
func (a *arriving) leave(d *body) {
	if d.since.IsZero() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, d)
}

// giveWay ends the arrival of the body that has cost the most so far, of those that have held their memory for longer than they may.
// The channel is closed when that memory is free; it is nil if there is no such body. Who asks is left out.
func (a *arriving) giveWay(asks *body, limit int64) (gone <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, most := a.now(), 0.0
	var slowest *body
	for d := range a.all {
		held := now.Sub(d.since)
		if d == asks || held < mayHold(d.held, limit) {
			continue
		}
		if cost := held.Seconds() * float64(d.held); cost > most {
			slowest, most = d, cost
		}
	}
	if slowest == nil {
		return nil
	}
	delete(a.all, slowest)
	slowest.gone, slowest.gives = make(chan struct{}), slowest.held // it may grow once more
	a.giving.Add(slowest.gives)
	slowest.source.Cut()
	return slowest.gone
}

// gave is called when the memory of a body that gave way is free.
func (a *arriving) gave(d *body) {
	a.giving.Add(-d.gives)
	close(d.gone)
}

// mayHold is how long a body may hold that many bytes of limit while memory is short: the more, the shorter.
func mayHold(held, limit int64) time.Duration {
	return min(mostHold, time.Duration(float64(leastHold)*float64(limit)/float64(held)))
}

// take takes n bytes of the budget for d. When less than a quarter of it is left, a slow body gives way.
func (b *bodies) take(d *body, n int64) bool {
	taken := b.pending.take(n)
	if taken && b.pending.used.Load()-b.arriving.giving.Load() <= b.pending.limit/4*3 {
		return true
	}
	gone := b.arriving.giveWay(d, b.pending.limit)
	if taken || gone == nil {
		return taken
	}
	timer := time.NewTimer(freedIn)
	defer timer.Stop()
	select {
	case <-gone:
	case <-timer.C:
	}
	return b.pending.take(n)
}

// receive reads a body from its client.
func (b *bodies) receive(d *body, w *wire, length int64) error {
	d.source, _ = w.from.(api.Cuttable)
	defer b.arriving.leave(d)
	return b.fill(d, w, length)
}
