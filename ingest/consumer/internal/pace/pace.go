// Package pace keeps small inserts from using up the machine.
package pace

import (
	"sync"
	"time"
)

// Pacer gives turns to inserts. After an insert that took d, the next turn of any partition comes after about 4·d. After a longer pause a
// turn comes at once. A batch that cannot grow any more needs no turn. An insert of a few rows costs the engine 20 ms of CPU with its
// merges: sixteen a second took half a core. Pauses are saved up while there is nothing to insert. So a script that alternates writes and
// reads does not wait at first. A batch that a reader waits for comes after a pause of d.
type Pacer struct {
	Longest time.Duration // no pause is longer
	Saved   time.Duration // as many pauses are saved up

	mu      sync.Mutex
	queue   []*Turn // first come, first served
	taken   bool
	rested  time.Time // no turn begins earlier
	hurried time.Time // no hurried turn begins earlier
	running int       // hurried turns
	began   time.Time // when the first of them began
}

// Turn is a turn that was asked for. It has come when Ready is closed; one of Hurry has come already. Its owner must give it back with Done
// or Cancel.
type Turn struct {
	Ready chan struct{}

	at      time.Time // when it comes, once it has been granted
	hurried bool
}

const (
	rest     = 4
	together = 10 * time.Millisecond // hurried turns that begin within this time run side by side
)

// Enqueue asks for a turn. Turns come in the order in which they were asked for.
func (p *Pacer) Enqueue() *Turn {
	t := &Turn{Ready: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, t)
	p.grant()
	return t
}

// grant gives the first of the queue its turn, when it is time. The caller holds p.mu.
func (p *Pacer) grant() {
	if p.taken || len(p.queue) == 0 {
		return
	}
	t := p.queue[0]
	p.queue, p.taken = p.queue[1:], true
	t.at = time.Now()
	if wait := p.rested.Sub(t.at); wait > 0 {
		t.at = p.rested
		time.AfterFunc(wait, func() { close(t.Ready) })
		return
	}
	close(t.Ready)
}

// Done reports that an insert took d, and returns t, which is nil for an insert without a turn.
func (p *Pacer) Done(t *Turn, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if t != nil && !t.hurried {
		p.rested = p.rested.Add(now.Sub(t.at)) // an insert is not a pause
	}
	if saved := now.Add(-p.Saved); p.rested.Before(saved) {
		p.rested = saved
	}
	if p.rested.After(now) {
		p.rested = now
	}
	p.rested, p.hurried = p.rested.Add(min(rest*d, p.Longest)), now.Add(min(d, p.Longest))
	if t != nil {
		p.giveBack(t)
	}
}

// Hurry returns a turn for a batch that a reader waits for; nil while the pause since the last insert is shorter than that insert was, or
// while other hurried batches are stored. A reader often waits for several partitions: batches that ask at the same time all get a turn.
func (p *Pacer) Hurry() *Turn {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Before(p.hurried) || (p.running > 0 && now.Sub(p.began) > together) {
		return nil
	}
	if p.running == 0 {
		p.began = now
	}
	p.running++
	return &Turn{hurried: true}
}

// Cancel returns t unused, even before its turn has come.
func (p *Pacer) Cancel(t *Turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.giveBack(t)
}

func (p *Pacer) giveBack(t *Turn) {
	if t.hurried {
		p.running--
		return
	}
	for i, q := range p.queue {
		if q == t {
			p.queue = append(p.queue[:i:i], p.queue[i+1:]...)
			return
		}
	}
	p.taken = false
	p.grant()
}
