// Package pace keeps small inserts from taking the machine.
package pace

import (
	"sync"
	"time"
)

// Pacer gives turns: after one that took d, the next waits for its turn until about 4·d
// have passed, whoever makes it. A batch that cannot grow any more asks for no turn. After a pause a turn comes at once.
// An insert of a few rows costs the engine 20 ms of CPU with its merges; sixteen a second were half a core.
type Pacer struct {
	Longest time.Duration // no pause is longer

	mu     sync.Mutex
	queue  []*Turn // first come, first served
	taken  bool
	rested time.Time // no turn begins earlier
}

// Turn is a place in the queue. Its owner has it when Ready is closed, and gives it back with Done or Cancel.
type Turn struct{ Ready chan struct{} }

const rest = 4

// Enqueue takes the last place in the queue.
func (p *Pacer) Enqueue() *Turn {
	t := &Turn{Ready: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, t)
	p.grant()
	return t
}

// grant lets the first of the queue go when the time has come. The caller holds p.mu.
func (p *Pacer) grant() {
	if p.taken || len(p.queue) == 0 {
		return
	}
	t := p.queue[0]
	p.queue, p.taken = p.queue[1:], true
	if wait := time.Until(p.rested); wait > 0 {
		time.AfterFunc(wait, func() { close(t.Ready) })
		return
	}
	close(t.Ready)
}

// Done says that the owner of t, or one without a turn if t is nil, has inserted for d.
func (p *Pacer) Done(t *Turn, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rested = time.Now().Add(min(rest*d, p.Longest))
	if t != nil {
		p.giveBack(t)
	}
}

// Cancel gives t back unused, whether it has come or not.
func (p *Pacer) Cancel(t *Turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.giveBack(t)
}

func (p *Pacer) giveBack(t *Turn) {
	for i, q := range p.queue {
		if q == t {
			p.queue = append(p.queue[:i:i], p.queue[i+1:]...)
			return
		}
	}
	p.taken = false
	p.grant()
}
