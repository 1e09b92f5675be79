package publish

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync/atomic"
	"time"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// job is one request on its way to Kafka: its entries in their order, and the chunks that hold them. Its memory may be
// reused only when every chunk is complete.
type job struct {
	tenant     string
	receivedAt int64
	items      []item
	chunks     []*chunk
	open       []*chunk // by partition: the last chunk, with space for more entries
	spare      []*chunk
	unkeyed    int    // the partition of entries without device and actor, which have no order to keep
	key        []byte // the tenant, NUL and a key: what is hashed
	prefix     int    // of key: the tenant and NUL

	left   atomic.Int32  // chunks that are not complete
	done   chan struct{} // holds a token when none is left
	queued bool          // the token has not been sent yet
	timer  *time.Timer
}

// item is one entry of a request.
type item struct {
	chunk *chunk // nil for one that was not added
	index int    // in the chunk
	event *event // of an entry that repeats another
	err   error
}

// chunk is the part of a job that goes into one record of one partition.
type chunk struct {
	schema.Chunk
	job       *job
	partition int
	events    []claim
	outcome   *outcome // shared with those who wait for its events; nil without events

	// Set by the partition before complete.
	record   int // in the batch
	firstID  uint64
	offset   int64
	err      error
	complete atomic.Bool
}

const keptChunks = 64

func newJob() *job {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &job{done: make(chan struct{}, 1), timer: t}
}

// reset empties j for a request of a tenant that goes to one or more of n partitions.
func (j *job) reset(tenant string, receivedAt int64, n, unkeyed int) {
	j.tenant, j.receivedAt, j.unkeyed = tenant, receivedAt, unkeyed
	j.key = append(append(j.key[:0], tenant...), 0)
	j.prefix = len(j.key)
	clear(j.items)
	j.items = j.items[:0]
	j.spare = append(j.spare, j.chunks...)
	j.chunks = j.chunks[:0]
	if cap(j.open) < n {
		j.open = make([]*chunk, n)
	}
	j.open = j.open[:n]
	clear(j.open)
}

// collect puts all entries of the request into chunks and closes them. An error means that the whole request is refused.
func (j *job) collect(req Request, window *keys) (err error) {
	defer func() {
		if closed := req.Entries.Close(); err == nil {
			err = closed
		}
	}()
	for req.Entries.Next() {
		e, eventID, bodyHash, fault := req.Entries.Entry()
		if fault == nil && !j.add(e, eventID, bodyHash, window) {
			fault = &schema.FieldError{Field: req.EventField, Code: "CONFLICT", Issue: "was used for another entry", Kind: schema.ErrConflict}
		}
		if fault == nil {
			continue
		}
		if req.Single {
			return fault
		}
		j.items = append(j.items, item{err: fault})
	}
	return nil
}

// add puts an entry into a chunk. An entry with a key is written only if no other one has had the key: see keys.
// It returns false, and adds nothing, if the key belongs to another entry.
func (j *job) add(e *schema.Entry, key string, body uint64, window *keys) bool {
	if key == "" {
		c := j.chunkFor(j.route(e), e)
		c.Add(e, nil)
		j.items = append(j.items, item{chunk: c, index: c.Len() - 1})
		return true
	}
	event := schema.EventKey{Hash: j.hash(key), Body: body}
	c := j.chunkFor(schemakafka.PartitionOf(event.Hash[:], len(j.open)), e)
	if c.outcome == nil {
		c.outcome = &outcome{partition: c.partition, done: make(chan struct{})}
	}
	ev, first := window.claim(event, c.outcome, c.Len())
	switch {
	case !first && ev.body != body:
		return false
	case !first:
		j.items = append(j.items, item{event: ev})
	default:
		c.events = append(c.events, claim{event.Hash, ev})
		c.Add(e, &event)
		j.items = append(j.items, item{chunk: c, index: c.Len() - 1})
	}
	return true
}

// hash identifies the tenant's idempotency key or event id.
func (j *job) hash(key string) (h [16]byte) {
	j.key = append(j.key[:j.prefix], key...)
	sum := sha256.Sum256(j.key)
	copy(h[:], sum[:])
	return h
}

// chunkFor returns a chunk for the partition with enough space for e.
func (j *job) chunkFor(partition int, e *schema.Entry) *chunk {
	c := j.open[partition]
	if c != nil && c.Len() < schema.MaxRecordEntries && c.Size()+sizeBound(e) <= schema.MaxRecordBytes {
		return c
	}
	if n := len(j.spare); n > 0 {
		c = j.spare[n-1]
		j.spare = j.spare[:n-1]
	} else {
		c = new(chunk)
	}
	c.Reset(j.tenant, j.receivedAt)
	c.job, c.partition, c.err, c.outcome = j, partition, nil, nil
	clear(c.events)
	c.events = c.events[:0]
	c.complete.Store(false)
	j.open[partition] = c
	j.chunks = append(j.chunks, c)
	return c
}

// dropEmpty removes chunks whose entries all turned out to be repeats.
func (j *job) dropEmpty() {
	j.chunks = slices.DeleteFunc(j.chunks, func(c *chunk) bool { return c.Len() == 0 })
}

// sizeBound returns an upper bound of the size of e in a chunk. It exceeds the size by at most 64 bytes for tags, lengths and an
// event key.
func sizeBound(e *schema.Entry) int {
	n := 128 + len(e.Action) + len(e.Platform) + len(e.Device) + len(e.ActorID) + len(e.ActorName) + len(e.RequestID) + len(e.Detail) + len(e.Details)
	n += len(e.Extra.ActorLabel) + len(e.ActorKind) + len(e.Extra.IPAddress) + len(e.Extra.UserAgent) + len(e.Extra.Layer)
	for _, t := range e.Targets {
		n += len(t.Type) + len(t.ID) + len(t.Name) + 16
	}
	return n
}

// route returns the partition of e, which keeps the order of all entries of its device, or of its actor if it has no device.
func (j *job) route(e *schema.Entry) int {
	who := e.Device
	if who == "" {
		who = e.ActorID
	}
	if who == "" {
		who = e.ActorName
	}
	if who == "" || len(j.open) == 1 {
		return j.unkeyed % len(j.open)
	}
	j.key = append(j.key[:j.prefix], who...)
	return schemakafka.PartitionOf(j.key, len(j.open))
}

// finish is called once for each chunk, when its outcome is known. err is nil if the chunk is in the log.
func (c *chunk) finish(window *keys, err error) {
	c.err = err
	if c.outcome != nil {
		window.finish(c)
	}
	j := c.job
	c.complete.Store(true)
	if j.left.Add(-1) == 0 {
		j.done <- struct{}{}
	}
}

// wait waits until every chunk is complete and so are the entries that j repeats, or until the time is over.
func (j *job) wait(ctx context.Context, limit time.Duration) {
	j.timer.Reset(limit)
	defer j.timer.Stop()
	if j.queued {
		select {
		case <-j.done:
			j.queued = false
		case <-j.timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
	for i := range j.items {
		if ev := j.items[i].event; ev != nil {
			select {
			case <-ev.outcome.done:
			case <-j.timer.C:
				return
			case <-ctx.Done():
				return
			}
		}
	}
}

// result has an entry's place in the log and its id, or the reason why it was not written.
func (it *item) result() (id uint64, partition int, offset int64, err error) {
	switch {
	case it.err != nil:
		return 0, 0, 0, it.err
	case it.event != nil:
		return it.event.result()
	case !it.chunk.complete.Load():
		return 0, 0, 0, errUnknown
	case it.chunk.err != nil:
		return 0, 0, 0, it.chunk.err
	}
	return it.chunk.firstID + uint64(it.index), it.chunk.partition, it.chunk.offset, nil
}
