package consumer

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// noted is the model's view of one record of the log.
type noted struct {
	value   []byte
	entries []notedEntry
	command *activitypb.Command
	match   schema.Match // of the command
}

type notedEntry struct {
	id, body uint64
	tenant   string
	key      byte // 0: none
	received int64
}

// specify returns the entries of a partition's log that must be stored. An entry is stored unless its id came before, or a stored entry had
// its key within the window. A delete deletes matching entries before it.
func specify(log []noted, window time.Duration) (stored map[uint64]notedEntry, dead map[block.Location]bool, erased int) {
	stored, dead = map[uint64]notedEntry{}, map[block.Location]bool{}
	offsets, seen := map[uint64]int64{}, map[uint64]bool{}
	for offset, r := range log {
		for i, e := range r.entries {
			if seen[e.id] {
				continue
			}
			seen[e.id] = true
			if first := holder(stored, e); e.key != 0 && first.received > e.received-window.Milliseconds() {
				if first.body != e.body {
					dead[block.Location{Offset: int64(offset), Index: uint16(i)}] = true
				}
				continue
			}
			stored[e.id], offsets[e.id] = e, int64(offset)
		}
		if c := r.command; c != nil {
			before := len(stored)
			maps.DeleteFunc(stored, func(id uint64, e notedEntry) bool {
				named := len(c.Refs) == 0 || slices.ContainsFunc(c.Refs, func(r *activitypb.Ref) bool { return r.Id == id })
				meant := c.Match == nil || means(r.match, entry(int(id)), e.received)
				return e.tenant == c.Tenant && offsets[id] < c.Before && named && meant
			})
			if c.Counted {
				erased += before - len(stored)
			}
		}
	}
	return stored, dead, erased
}

// holder returns the latest of the stored entries that have e's key.
func holder(stored map[uint64]notedEntry, e notedEntry) (latest notedEntry) {
	for _, s := range stored {
		if s.key == e.key && s.tenant == e.tenant && s.received >= latest.received {
			latest = s
		}
	}
	return latest
}

// history is one random history of a world with two partitions, and what must be stored after it.
type history struct {
	*world
	log     [2][]noted
	sent    [2]int        // records of log that Kafka has
	passed  [2]int        // records of log before the committed offset
	ids     [2]uint64     // of two collectors, whose ids come from different blocks
	current *assignment   // nil: the group has no member
	nextID  string        // id of the next member; empty: a new member
	held    []*assignment // paused, and evicted without knowing it
	window  time.Duration
	began   int64 // Unix ms
}

// TestAnyHistoryIsExact runs random histories of writes, repetitions, deletes, crashes, rebalances, lost answers and lost offsets.
// The entries, both rollups, the counts of deletes and the dead letters must be what specify says. -rapid.checks=1000 runs more.
// The names of the actions are part of the recorded histories in testdata: renaming them changes what those replay.
func TestAnyHistoryIsExact(t *testing.T) {
	few(t, 20)
	broker := testbed.Kafka(t, 1)
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{world: newWorld(t, broker, 2), ids: [2]uint64{7 * schema.IDBlock, 9*schema.IDBlock - 20}, window: Defaults().KeyWindow, began: time.Now().UnixMilli()}
		defer h.abandon()
		rt.Repeat(map[string]func(*rapid.T){
			"write": h.write, "write more": h.write, "repeat": h.repeat, "delete": h.delete, "delete by filter": h.deleteMatch,
			"work": h.work, "work on": h.work, "wake": h.resume, "hand over": h.handOver, "lose the offsets": h.mayLoseOffsets,
		})
		h.finish(rt)
	})
}

// few sets the number of checks to n, unless the flag is set.
func few(t *testing.T, n int) {
	t.Helper()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		if err := flag.Set("rapid.checks", fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	partitionGen = rapid.IntRange(0, 1)
	tenantGen    = rapid.SampledFrom([]string{"default", "other"})
	weekGen      = rapid.SampledFrom([]int{0, 0, 0, 7})
	keyGen       = rapid.SampledFrom([]byte{0, 0, 0, 1, 2})
	bodyGen      = rapid.SampledFrom([]uint64{1, 1, 1, 2})
	rowsGen      = rapid.SampledFrom([]int{4, 12, 1000})
	pointGen     = rapid.SampledFrom(points)
)

// keyIn returns the hash of the n-th event key that belongs to one of two partitions.
func keyIn(partition int, n byte) (hash [16]byte) {
	for n > 0 {
		if hash[0]++; schemakafka.PartitionOf(hash[:], 2) == partition {
			n--
		}
	}
	return hash
}

func (h *history) write(t *rapid.T) {
	p, tenant, collector := partitionGen.Draw(t, "partition"), tenantGen.Draw(t, "tenant"), rapid.IntRange(0, 1).Draw(t, "collector")
	received := time.Now().AddDate(0, 0, -weekGen.Draw(t, "days ago")).UnixMilli()
	var c schema.Chunk
	var n noted
	c.Reset(tenant, received)
	first := h.ids[collector]
	for range rapid.IntRange(1, 5).Draw(t, "entries") {
		e := notedEntry{id: h.ids[collector], tenant: tenant, key: keyGen.Draw(t, "key"), body: bodyGen.Draw(t, "body"), received: received}
		h.ids[collector]++
		var key *schema.EventKey
		if e.key != 0 {
			key = &schema.EventKey{Hash: keyIn(p, e.key), Body: e.body}
		}
		content := entry(int(e.id))
		c.Add(&content, key)
		n.entries = append(n.entries, e)
	}
	c.Seal(first)
	n.value = schema.AppendChunk(schema.AppendRecordHeader(nil), &c)
	h.log[p] = append(h.log[p], n)
}

// repeat writes a record again, as a producer without an answer does.
func (h *history) repeat(t *rapid.T) {
	p := partitionGen.Draw(t, "partition")
	if len(h.log[p]) == 0 {
		t.Skip("nothing to repeat")
	}
	h.log[p] = append(h.log[p], rapid.SampledFrom(h.log[p]).Draw(t, "record"))
}

func (h *history) delete(t *rapid.T) {
	p := partitionGen.Draw(t, "partition")
	c := &activitypb.Command{
		Id: fmt.Appendf(nil, "%d%015d", p, len(h.log[p])), Tenant: tenantGen.Draw(t, "tenant"),
		Before: int64(max(0, len(h.log[p])-rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "later records"))),
	}
	if known := entriesOf(h.log[p]); len(known) > 0 && rapid.Bool().Draw(t, "some") {
		for _, e := range rapid.SliceOfN(rapid.SampledFrom(known), 1, 3).Draw(t, "named") {
			c.Refs = append(c.Refs, &activitypb.Ref{Id: e.id, Timestamp: entry(int(e.id)).Timestamp})
		}
	}
	value, err := schema.AppendCommand(nil, c)
	if err != nil {
		t.Fatal(err)
	}
	h.log[p] = append(h.log[p], noted{value: value, command: c})
}

// deleteMatch writes a delete by filter. Its entries may overlap with those of another delete.
func (h *history) deleteMatch(t *rapid.T) {
	p := partitionGen.Draw(t, "partition")
	m := rapid.SampledFrom(matches(h.began)).Draw(t, "match")
	c := &activitypb.Command{
		Id: fmt.Appendf(nil, "%d%015d", p, len(h.log[p])), Tenant: tenantGen.Draw(t, "tenant"), Match: m.Proto(), Counted: true,
		Before: int64(max(0, len(h.log[p])-rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "later records"))),
	}
	value, err := schema.AppendCommand(nil, c)
	if err != nil {
		t.Fatal(err)
	}
	h.log[p] = append(h.log[p], noted{value: value, command: c, match: m})
}

func entriesOf(log []noted) (all []notedEntry) {
	for _, n := range log {
		all = append(all, n.entries...)
	}
	return all
}

// work stores the log of a partition, with at most one mishap on the way.
func (h *history) work(t *rapid.T) {
	p := partitionGen.Draw(t, "partition")
	if len(h.log[p]) == h.passed[p] {
		t.Skip("nothing to store")
	}
	h.ensureMember(t)
	defer h.current.interrupt.disarm()
	defer h.current.commits.in.Store(0)
	defer h.proxy.lose(0, false)
	switch mishap := rapid.SampledFrom([]string{"none", "crash", "crash", "sleep", "sleep", "deaf", "cut off", "no answer"}).Draw(t, "mishap"); mishap {
	case "crash", "sleep":
		h.current.interrupt.set(pointGen.Draw(t, "point"), rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "time"), mishap == "sleep")
	case "deaf":
		h.current.commits.in.Store(rapid.Int64Range(1, 4).Draw(t, "commit"))
	case "cut off", "no answer":
		h.proxy.lose(rapid.IntRange(1, 12).Draw(t, "request"), mishap == "no answer")
	}
	h.storeAll(t, p)
}

// ensureMember lets a member join the group if it has none.
func (h *history) ensureMember(t *rapid.T) {
	if h.current != nil {
		return
	}
	r, err := h.assign(h.nextID, rowsGen.Draw(t, "rows of a batch"))
	if err != nil {
		t.Fatal(err)
	}
	h.current, h.nextID = r, ""
}

// storeAll lets the member work on a partition until everything is stored, or the member crashes or is paused.
func (h *history) storeAll(t *rapid.T, p int) {
	var values [][]byte
	for _, n := range h.log[p][h.sent[p]:] {
		values = append(values, n.value)
	}
	if len(values) > 0 {
		if at, err := h.append(p, values); err != nil || at != int64(h.sent[p]) {
			t.Fatalf("records written at %d, %v, want at %d", at, err, h.sent[p])
		}
		h.sent[p] = len(h.log[p])
	}
	r := h.current
	r.start(p, 2)
	for deadline := time.Now().Add(20 * time.Second); ; {
		if at, err := h.committed(p); err == nil && at == int64(h.sent[p]) {
			h.passed[p] = h.sent[p]
			h.check(t)
			return
		}
		select {
		case <-r.workers[p].done:
			h.removeCrashed(t, r.workers[p].err)
			return
		case <-r.interrupt.held:
			h.takeOver(t)
			return
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("partition %d is not stored after 20 s", p)
		}
	}
}

// removeCrashed removes a member that has crashed. Nothing else may end a member.
func (h *history) removeCrashed(t *rapid.T, err error) {
	if !errors.Is(err, errCrash) {
		t.Fatalf("got %v, want the work to go on", err)
	}
	r := h.current
	h.current = nil
	r.cancel()
	_ = r.end()
	if err := h.evict(r.member); err != nil {
		t.Fatal(err)
	}
}

// takeOver continues without the paused member: with another member, or with the same one in another generation.
func (h *history) takeOver(t *rapid.T) {
	r := h.current
	h.current, h.held = nil, append(h.held, r)
	if rapid.Bool().Draw(t, "same member") {
		h.nextID = r.id
		return
	}
	if err := h.evict(r.member); err != nil {
		t.Fatal(err)
	}
}

// resume lets a paused member continue. It must notice that it no longer owns a partition.
func (h *history) resume(t *rapid.T) {
	if len(h.held) == 0 {
		t.Skip("no member is paused")
	}
	h.ensureMember(t) // otherwise no other generation has begun
	i := rapid.IntRange(0, len(h.held)-1).Draw(t, "sleeper")
	r := h.held[i]
	h.held = slices.Delete(h.held, i, i+1)
	r.stop()
	close(r.interrupt.free)
	if err := r.end(); !errors.Is(err, errFenced) {
		t.Fatalf("a paused member ended with %v, want %v", err, errFenced)
	}
	h.check(t)
}

// handOver ends the member with an orderly shutdown.
func (h *history) handOver(t *rapid.T) {
	if h.current == nil {
		t.Skip("no member")
	}
	r := h.current
	h.current = nil
	r.stop()
	if err := r.end(); err != nil {
		t.Fatalf("a member that was stopped ended with %v, want nil", err)
	}
	if err := h.evict(r.member); err != nil {
		t.Fatal(err)
	}
}

// mayLoseOffsets loses the offsets in one of four calls. Afterwards the whole log is read again.
func (h *history) mayLoseOffsets(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "keep them") > 0 {
		t.Skip("kept")
	}
	h.loseOffsets(t)
}

// loseOffsets deletes the group's offsets. No member may be paused: its unfinished batch would not be repeated.
func (h *history) loseOffsets(t *rapid.T) {
	if len(h.held) > 0 || h.nextID != "" {
		t.Skip("a member is paused")
	}
	if h.current != nil {
		h.handOver(t)
	}
	if err := h.forget(0, 1); err != nil {
		t.Fatal(err)
	}
	h.passed = [2]int{}
}

// finish resumes the paused members and stores everything, and does so again without offsets.
func (h *history) finish(t *rapid.T) {
	for len(h.held) > 0 {
		h.resume(t)
	}
	for range 2 {
		for p := range h.log {
			if len(h.log[p]) > 0 {
				h.ensureMember(t)
				h.storeAll(t, p)
			}
		}
		h.loseOffsets(t)
	}
}

// check compares what is stored with what must be, unless a part of the log is not stored yet.
func (h *history) check(t *rapid.T) {
	want, deadWanted, erased := map[uint64]sent{}, map[string]bool{}, 0
	for p := range h.log {
		if h.passed[p] != h.sent[p] {
			return
		}
		stored, dead, n := specify(h.log[p][:h.sent[p]], h.window)
		erased += n
		for id := range stored {
			want[id] = sent{partition: p}
		}
		for at := range dead {
			deadWanted[fmt.Sprintf("%d:%d.%d", p, at.Offset, at.Index)] = true
		}
	}
	if err := exact(h.ctx, h.conn, want); err != nil {
		t.Fatal(err)
	}
	if n, err := numbers(h.ctx, h.conn, 1, "SELECT toInt64(sum(entries)) FROM erased"); err != nil || n[0] != int64(erased) {
		t.Fatalf("got %v entries noted as erased, %v, want %d", n, err, erased)
	}
	var got []string
	if err := h.conn.QueryRow(h.ctx, "SELECT groupUniqArray(format('{}:{}.{}', toString(kpart), toString(koff), toString(kidx))) FROM dead_letters").Scan(&got); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if want := slices.Sorted(maps.Keys(deadWanted)); !slices.Equal(got, want) {
		t.Fatalf("got dead letters %v, want %v", got, want)
	}
}

// abandon ends whatever is still running.
func (h *history) abandon() {
	for _, r := range h.held {
		r.cancel()
		close(r.interrupt.free)
		_ = r.end()
	}
	if h.current != nil {
		h.current.cancel()
		_ = h.current.end()
	}
}
