package collector

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync/atomic"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// write is one request on its way to Kafka: its entries in the order in which they came, and the chunks they lie in.
// It may be reused only when every chunk has been settled.
type write struct {
	tenant     string
	receivedAt int64
	items      []item
	chunks     []*chunk
	open       []*chunk // by partition: the last chunk, with room for more
	spare      []*chunk
	stray      int    // the partition of entries without device and actor, which have no order to keep
	key        []byte // scratch

	left   atomic.Int32  // chunks that are not settled
	done   chan struct{} // holds a token when none is left
	queued bool          // the token is still to come
	timer  *time.Timer
}

// item is one entry of a request.
type item struct {
	chunk *chunk // nil for one that was not added
	index int    // in the chunk
	event *event // of an entry that repeats another
	err   error
}

// chunk is the part of a write that goes into one record of one partition.
type chunk struct {
	schema.Chunk
	write     *write
	partition int
	events    []claim
	outcome   *outcome // what the events know of this chunk; nil without events

	// Set by the partition before settled.
	record  int // in the batch
	firstID uint64
	offset  int64
	err     error
	settled atomic.Bool
}

const keptChunks = 64

func newWrite() *write {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &write{done: make(chan struct{}, 1), timer: t}
}

// reset empties w for a request of a tenant that goes to one or more of n partitions.
func (w *write) reset(tenant string, receivedAt int64, n, stray int) {
	w.tenant, w.receivedAt, w.stray = tenant, receivedAt, stray
	clear(w.items)
	w.items = w.items[:0]
	w.spare = append(w.spare, w.chunks...)
	w.chunks = w.chunks[:0]
	if cap(w.open) < n {
		w.open = make([]*chunk, n)
	}
	w.open = w.open[:n]
	clear(w.open)
}

// reject notes an entry that is not written, and why.
func (w *write) reject(err error) { w.items = append(w.items, item{err: err}) }

// add notes an entry to be written. With a key the entry is written only if no other one has had it: see keys. It is false
// when the key belongs to another entry, and then notes nothing.
func (w *write) add(e *schema.Entry, key string, body uint64, window *keys) bool {
	if key == "" {
		c := w.room(w.route(e), e)
		c.Add(e, nil)
		w.items = append(w.items, item{chunk: c, index: c.Len() - 1})
		return true
	}
	event := schema.EventKey{Hash: w.hash(key), Body: body}
	c := w.room(partitionOf(event.Hash[:], len(w.open)), e)
	if c.outcome == nil {
		c.outcome = &outcome{partition: c.partition, done: make(chan struct{})}
	}
	ev, first := window.claim(event, c.outcome, c.Len())
	switch {
	case !first && ev.body != body:
		return false
	case !first:
		w.items = append(w.items, item{event: ev})
	default:
		c.events = append(c.events, claim{event.Hash, ev})
		c.Add(e, &event)
		w.items = append(w.items, item{chunk: c, index: c.Len() - 1})
	}
	return true
}

// hash is the identity of the tenant's idempotency key or event id.
func (w *write) hash(key string) (h [16]byte) {
	w.key = append(append(append(w.key[:0], w.tenant...), 0), key...)
	sum := sha256.Sum256(w.key)
	copy(h[:], sum[:])
	return h
}

// room is a chunk for the partition that has room for e.
func (w *write) room(partition int, e *schema.Entry) *chunk {
	c := w.open[partition]
	if c != nil && c.Len() < schema.MaxRecordEntries && c.Size()+sizeBound(e) <= schema.MaxRecordBytes {
		return c
	}
	if n := len(w.spare); n > 0 {
		c = w.spare[n-1]
		w.spare = w.spare[:n-1]
	} else {
		c = new(chunk)
	}
	c.Reset(w.tenant, w.receivedAt)
	c.write, c.partition, c.err, c.outcome = w, partition, nil, nil
	clear(c.events)
	c.events = c.events[:0]
	c.settled.Store(false)
	w.open[partition] = c
	w.chunks = append(w.chunks, c)
	return c
}

// dropEmpty gives up chunks whose entries all turned out to be repeats.
func (w *write) dropEmpty() {
	w.chunks = slices.DeleteFunc(w.chunks, func(c *chunk) bool { return c.Len() == 0 })
}

// sizeBound is at least the size of e in a chunk, and 64 bytes more at most for tags, lengths and an event key.
func sizeBound(e *schema.Entry) int {
	n := 128 + len(e.Action) + len(e.Platform) + len(e.Device) + len(e.ActorID) + len(e.ActorName) + len(e.RequestID) + len(e.Detail) + len(e.Details)
	n += len(e.Extra.ActorLabel) + len(e.ActorKind) + len(e.Extra.IPAddress) + len(e.Extra.UserAgent) + len(e.Extra.Layer)
	for _, t := range e.Targets {
		n += len(t.Type) + len(t.ID) + len(t.Name) + 16
	}
	return n
}

// route is the partition that keeps e in order with the others of its device, or else of its actor.
func (w *write) route(e *schema.Entry) int {
	who := e.Device
	if who == "" {
		who = e.ActorID
	}
	if who == "" {
		who = e.ActorName
	}
	if who == "" || len(w.open) == 1 {
		return w.stray % len(w.open)
	}
	w.key = append(append(append(w.key[:0], w.tenant...), 0), who...)
	return partitionOf(w.key, len(w.open))
}

// settle is told once for each chunk what became of it. err means that it is certainly not in the log.
func (c *chunk) settle(window *keys, err error) {
	c.err = err
	if c.outcome != nil {
		window.settle(c)
	}
	w := c.write
	c.settled.Store(true)
	if w.left.Add(-1) == 0 {
		w.done <- struct{}{}
	}
}

// wait waits until every chunk is settled, or the entries that w repeats are, or the time is over; false if it is.
func (w *write) wait(ctx context.Context, limit time.Duration) bool {
	w.timer.Reset(limit)
	defer w.timer.Stop()
	if w.queued {
		select {
		case <-w.done:
			w.queued = false
		case <-w.timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
	for i := range w.items {
		if ev := w.items[i].event; ev != nil {
			select {
			case <-ev.outcome.done:
			case <-w.timer.C:
				return true // of its own chunks
			case <-ctx.Done():
				return true
			}
		}
	}
	return true
}

// result is what became of an item: its id and where it lies, or why it was not written.
func (it *item) result() (id uint64, partition int, offset int64, err error) {
	switch {
	case it.err != nil:
		return 0, 0, 0, it.err
	case it.event != nil:
		return it.event.result()
	case !it.chunk.settled.Load():
		return 0, 0, 0, later(errUnknown)
	case it.chunk.err != nil:
		return 0, 0, 0, it.chunk.err
	}
	return it.chunk.firstID + uint64(it.index), it.chunk.partition, it.chunk.offset, nil
}

// partitionOf is the partition of a key, as Kafka's Java client chooses it (org.apache.kafka.clients.producer.internals.
// BuiltInPartitioner.partitionForKey).
func partitionOf(key []byte, n int) int { return int(murmur2(key)&0x7fffffff) % n }
