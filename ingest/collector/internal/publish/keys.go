package publish

import (
	"sync"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// keys remembers the event keys that this collector has seen lately. It answers a repeat with the id and the position of the first entry. A
// repeat waits while the first entry is still being written. The window only improves responses: the consumer keeps repeats out of the
// store. A repeat that this window does not know (it was sent to another collector, or after a restart) is written again and dropped by the
// consumer; the id in its response resolves to nothing.
type keys struct {
	max    int
	window time.Duration
	m      *metrics

	mu    sync.Mutex // guards what follows
	known map[[16]byte]*event
	order []claim // a ring in the order of claiming
	first int     // the oldest
}

// claim is one remembered key.
type claim struct {
	hash  [16]byte
	event *event
}

// event is the first entry that had a key.
type event struct {
	body    uint64
	index   int // in its chunk
	at      int64
	outcome *outcome
}

// outcome says whether a chunk was written. Its fields are valid once done is closed. It outlives the chunk.
type outcome struct {
	done      chan struct{}
	partition int
	firstID   uint64
	offset    int64
	err       error
}

func newKeys(maxKeys int, window time.Duration, m *metrics) *keys {
	return &keys{max: maxKeys, window: window, m: m, known: make(map[[16]byte]*event)}
}

// claim returns the event of a key. If first is true it is new, and stands for entry index of the chunk of o.
func (k *keys) claim(key schema.EventKey, o *outcome, index int) (ev *event, first bool) {
	now := time.Now().UnixNano()
	k.mu.Lock()
	defer k.mu.Unlock()
	if ev = k.known[key.Hash]; ev != nil && now-ev.at < int64(k.window) {
		return ev, false
	}
	ev = &event{body: key.Body, index: index, at: now, outcome: o}
	k.known[key.Hash] = ev
	c := claim{key.Hash, ev}
	if len(k.order) < k.max {
		k.order = append(k.order, c)
	} else {
		k.forget(k.order[k.first])
		k.order[k.first] = c
		k.first = (k.first + 1) % k.max
	}
	k.m.keys.Set(float64(len(k.known)))
	return ev, true
}

// forget frees a key, unless a later event has claimed it.
func (k *keys) forget(c claim) {
	if k.known[c.hash] == c.event {
		delete(k.known, c.hash)
	}
}

// finish wakes all who wait for the chunk's events. If the chunk was not written, its keys are free again.
func (k *keys) finish(c *chunk) {
	o := c.outcome
	o.firstID, o.offset, o.err = c.firstID, c.offset, c.err
	if c.err != nil {
		k.mu.Lock()
		for _, cl := range c.events {
			k.forget(cl)
		}
		k.mu.Unlock()
	}
	close(o.done)
}

// abort frees the keys of a job that ends before it is queued.
func (k *keys) abort(j *job, err error) {
	for _, c := range j.chunks {
		if c.outcome != nil {
			c.err = err
			k.finish(c)
		}
	}
}

func (e *event) result() (id uint64, partition int, offset int64, err error) {
	o := e.outcome
	select {
	case <-o.done:
	default:
		return 0, 0, 0, errFirstPending
	}
	if o.err != nil {
		return 0, 0, 0, o.err
	}
	return o.firstID + uint64(e.index), o.partition, o.offset, nil
}
