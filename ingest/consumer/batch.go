package consumer

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/activitylog/activitylog/ingest/consumer/internal/pool"
)

// record is one Kafka record.
type record struct {
	offset int64
	at     int64 // Unix ms; when it was appended
	value  []byte
}

// shape has the facts about a record that a batch needs before the record is decoded.
type shape struct {
	entries  int
	received int64 // Unix ms; the earliest of the keyed chunks
	keyed    bool
	command  bool
}

// Field numbers of activity.proto.
const (
	batchChunks   = 2
	batchCommand  = 3
	chunkReceived = 2
	chunkKeyed    = 4
	chunkEntries  = 5
)

// inspect walks over a record's value without decoding its entries. A value that it cannot read counts as one entry; decoding
// will find the fault.
func inspect(value []byte) shape {
	if len(value) == 0 || value[0] == '{' {
		return shape{entries: 1}
	}
	if value[0] == 0 && len(value) > 6 {
		value = value[6:] // the framing of a schema registry
	}
	var s shape
	fields(value, func(number protowire.Number, _ uint64, content []byte) {
		switch number {
		case batchChunks:
			s.addChunk(content)
		case batchCommand:
			s.command = true
		}
	})
	s.entries = max(1, s.entries)
	return s
}

func (s *shape) addChunk(chunk []byte) {
	received, keyed := int64(0), false
	fields(chunk, func(number protowire.Number, varint uint64, _ []byte) {
		switch number {
		case chunkReceived:
			received = int64(varint)
		case chunkKeyed:
			keyed = varint != 0
		case chunkEntries:
			s.entries++
		}
	})
	if keyed && (!s.keyed || received < s.received) {
		s.keyed, s.received = true, received
	}
}

// fields calls f for each field of a message, up to one that cannot be read.
func fields(b []byte, f func(number protowire.Number, varint uint64, content []byte)) {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return
		}
		b = b[n:]
		var varint uint64
		var content []byte
		switch kind {
		case protowire.VarintType:
			varint, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return
		}
		f(number, varint, content)
		b = b[n:]
	}
}

// limits bound a batch. A single record that exceeds them is a batch of its own.
type limits struct {
	entries, bytes int
}

// small rates how small b is, in percent: 100 is empty, 0 is half of a limit or more. The smaller an insert, the greater the share of its
// cost that does not depend on its rows, and the longer the next batch should wait for more records.
func (l limits) small(b *batch) int {
	return max(0, 100-2*max(100*b.entries/l.entries, 100*b.bytes/l.bytes))
}

// maxCommands bounds how long a batch's deletes may take. All of them are answered when the last one has been applied, and an interrupted
// batch starts again from its beginning.
const maxCommands = 64

// batch is a range of a partition's offsets that is stored as a whole.
type batch struct {
	first, last int64 // last is below first while the batch is empty
	records     []record
	entries     int
	bytes       int
	commands    int
	keyed       bool
	received    int64     // Unix ms; the earliest of the keyed chunks
	replay      bool      // the range was declared by an earlier commit; limits do not apply
	assembled   *assembly // set if the batch was assembled while the one before it was written
}

func newBatch(first int64) *batch {
	return &batch{first: first, last: first - 1, received: math.MaxInt64}
}

// fits says whether a record may join b. Entries may follow a command: the batch's entries are stored before its commands are
// applied, and a command reaches only entries before its own offset. Entries with event keys may not follow one: it may delete the entries
// that they are compared with.
func (b *batch) fits(s shape, value []byte, l limits) bool {
	switch {
	case b.replay || len(b.records) == 0:
		return true
	case s.command && b.commands == maxCommands, s.keyed && b.commands > 0:
		return false
	}
	return b.entries+s.entries <= l.entries && b.bytes+len(value) <= l.bytes
}

func (b *batch) add(r record, s shape) {
	b.records = append(b.records, r)
	b.last = r.offset
	b.entries += s.entries
	b.bytes += len(r.value)
	if s.command {
		b.commands++
	}
	if s.keyed {
		b.keyed, b.received = true, min(b.received, s.received)
	}
}

func (b *batch) empty() bool { return len(b.records) == 0 }

// since is when b's first record was appended, in Unix ms; 0 if there is none.
func (b *batch) since() int64 {
	if b.empty() {
		return 0
	}
	return b.records[0].at
}

// drop returns b's assembly to the pool.
func (b *batch) drop(to *pool.Pool[assembly]) {
	if b.assembled != nil {
		to.Put(b.assembled)
		b.assembled = nil
	}
}

// maxRecordEntries is the most entries a record may have: an entry's index must fit the column kidx.
const maxRecordEntries = math.MaxUint16 + 1
