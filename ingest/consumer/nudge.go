package consumer

import (
	"context"
	"sync"
	"time"

	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

const (
	nudgeEvery   = 10 * time.Millisecond  // between two looks for nudges while a batch waits for its turn; a look costs 0.2 ms of CPU
	nudgeSlowest = 500 * time.Millisecond // after looks that failed
	nudgeLife    = 5 * time.Second        // as long as a nudge counts after this process has first seen it: a reader waits no longer
)

// nudges looks for nudges of readers while batches wait for their turns.
type nudges struct {
	wake chan struct{} // holds one token while a batch may be waiting

	mu      sync.Mutex // guards what follows
	waiting map[*partition]*nudgeable
	seen    map[int]seenNudge // by partition
}

// nudgeable is a batch that waits for its turn.
type nudgeable struct {
	first  int64 // Kafka's own offset of its first record
	nudged chan struct{}
}

type seenNudge struct {
	schemakafka.Nudge
	at time.Time
}

func newNudges() *nudges {
	return &nudges{wake: make(chan struct{}, 1), waiting: map[*partition]*nudgeable{}, seen: map[int]seenNudge{}}
}

// await returns a channel that receives while a reader waits for the batch of p that begins at the absolute offset first.
func (n *nudges) await(p *partition, first int64) <-chan struct{} {
	own, ok := p.source.Offset(p.number, first)
	if !ok {
		return nil
	}
	me := &nudgeable{own, make(chan struct{}, 1)}
	n.mu.Lock()
	n.waiting[p] = me
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
	return me.nudged
}

func (n *nudges) forget(p *partition) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.waiting, p)
}

// partitions returns the numbers of the partitions with a batch that waits.
func (n *nudges) partitions() (all []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for p := range n.waiting {
		all = append(all, p.number)
	}
	return all
}

// deliver passes on the nudges that readers have sent.
func (n *nudges) deliver(sent map[int]schemakafka.Nudge, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for number, nudge := range sent {
		if n.seen[number].Nudge != nudge {
			n.seen[number] = seenNudge{nudge, now}
		}
	}
	for p, me := range n.waiting {
		if s, ok := n.seen[p.number]; ok && s.Before > me.first && now.Sub(s.at) < nudgeLife {
			select {
			case me.nudged <- struct{}{}:
			default:
			}
		}
	}
}

// watchNudges looks for nudges while a batch waits, until ctx ends.
func (c *Consumer) watchNudges(ctx context.Context) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	for pause := nudgeEvery; ; {
		select {
		case <-ctx.Done():
			return
		case <-c.nudges.wake:
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			waiting := c.nudges.partitions()
			if len(waiting) == 0 {
				tick.Reset(0)
				break
			}
			var sent map[int]schemakafka.Nudge
			err := attempt(ctx, requestTimeout, func(ctx context.Context) (err error) {
				sent, err = schemakafka.ReadNudges(ctx, c.client, c.cfg.Topic, waiting)
				return err
			})
			if err != nil {
				pause = min(2*pause, nudgeSlowest) // the group and the fetches tell that Kafka is unavailable
			} else {
				pause = nudgeEvery
				c.nudges.deliver(sent, time.Now())
			}
			tick.Reset(pause)
		}
	}
}
