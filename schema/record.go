package schema

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/activitylog/activitylog/schema/activitypb"
)

// Bounds of one record, which is one Kafka value. A record with a single entry may be larger than MaxRecordBytes.
const (
	RecordVersion    = 1
	MaxRecordEntries = 512
	MaxRecordBytes   = 256 << 10
)

// bom is the byte order mark in UTF-8.
const bom = "\ufeff"

// ErrRecord means that a Kafka value cannot be decoded; trying again does not help.
var ErrRecord = errors.New("undecodable record")

// Tags of ActivityBatch and Chunk, as activity.proto numbers them.
const (
	tagVersion  = 1<<3 | byte(protowire.VarintType)
	tagChunk    = 2<<3 | byte(protowire.BytesType)
	tagFirstID  = 1<<3 | byte(protowire.Fixed64Type)
	tagReceived = 2<<3 | byte(protowire.VarintType)
	tagTenant   = 3<<3 | byte(protowire.BytesType)
	tagKeyed    = 4<<3 | byte(protowire.VarintType)
	tagEntry    = 5<<3 | byte(protowire.BytesType)
)

// Chunk builds the wire form of an activitypb.Chunk. Reset, which must be called first, keeps the memory for the next one.
type Chunk struct {
	buf     []byte
	entries int
	keyed   bool
	entry   activitypb.Entry
	extra   activitypb.Extra
	joined  []byte // targets as the wire has them
}

// EventKey makes an entry idempotent: of all entries of a tenant with the same Hash, only one is stored.
type EventKey struct {
	Hash [16]byte // of the key that the client sent
	Body uint64   // hash of the entry: a repeat has the same, a conflict another
}

// Defaults for remembered event keys. The collector answers repeats from them; the consumer does not store repeats.
const (
	DefaultKeyWindow = 24 * time.Hour
	DefaultMaxKeys   = 200_000 // remembered by a collector, and by a consumer of each partition
)

// Reset empties c for entries of one tenant, received at receivedAt (Unix ms).
func (c *Chunk) Reset(tenant string, receivedAt int64) {
	c.entries, c.keyed = 0, false
	c.buf = append(c.buf[:0], tagFirstID, 0, 0, 0, 0, 0, 0, 0, 0, tagReceived)
	c.buf = protowire.AppendVarint(c.buf, uint64(receivedAt))
	c.buf = append(c.buf, tagTenant)
	c.buf = protowire.AppendString(c.buf, tenant)
}

// Len returns the number of entries.
func (c *Chunk) Len() int { return c.entries }

// Size returns the length of c's wire form in bytes.
func (c *Chunk) Size() int { return len(c.buf) }

// Add encodes an entry. Its id, tenant and receive time come from the chunk. c keeps no reference to e.
func (c *Chunk) Add(e *Entry, key *EventKey) {
	w := &c.entry
	w.Timestamp, w.Action, w.Platform, w.Device = e.Timestamp, e.Action, e.Platform, e.Device
	w.ActorId, w.ActorName, w.ActorKind = e.ActorID, e.ActorName, e.ActorKind
	w.RequestId, w.Detail = e.RequestID, e.Detail
	w.Details = append(w.Details[:0], e.Details...)
	w.Targets = c.join(w.Targets[:0], e.Targets)
	w.Extra = c.appendExtra(w.Extra[:0], e, key)
	size := w.SizeVT()
	c.buf = append(c.buf, tagEntry)
	c.buf = protowire.AppendVarint(c.buf, uint64(size))
	at := len(c.buf)
	c.buf = append(c.buf, make([]byte, size)...)
	// cannot fail: the buffer has the size that the entry reported
	_, _ = w.MarshalToSizedBufferVT(c.buf[at:])
	c.entries++
}

// join appends each target as type, NUL, id. The strings are valid until the next call.
func (c *Chunk) join(to []string, targets []Target) []string {
	c.joined = c.joined[:0]
	for _, t := range targets {
		c.joined = append(append(append(c.joined, t.Type...), 0), t.ID...)
	}
	rest := c.joined
	for _, t := range targets {
		n := len(t.Type) + 1 + len(t.ID)
		to = append(to, unsafe.String(unsafe.SliceData(rest), n))
		rest = rest[n:]
	}
	return to
}

// appendExtra appends the fields of e that have no column; for most entries, nothing.
func (c *Chunk) appendExtra(b []byte, e *Entry, key *EventKey) []byte {
	if e.Extra == (Extra{}) && key == nil && !namedTargets(e.Targets) {
		return b
	}
	x := &c.extra
	names := x.TargetNames[:0]
	*x = activitypb.Extra{
		TargetNames: names, ActorLabel: e.Extra.ActorLabel, IpAddress: e.Extra.IPAddress, UserAgent: e.Extra.UserAgent, Layer: e.Extra.Layer,
	}
	if namedTargets(e.Targets) {
		for _, t := range e.Targets {
			x.TargetNames = append(x.TargetNames, t.Name)
		}
	}
	if key != nil {
		x.EventKey, x.BodyHash = key.Hash[:], key.Body
		c.keyed = true
	}
	at := len(b)
	b = append(b, make([]byte, x.SizeVT())...)
	_, _ = x.MarshalToSizedBufferVT(b[at:])
	return b
}

func namedTargets(targets []Target) bool {
	for _, t := range targets {
		if t.Name != "" {
			return true
		}
	}
	return false
}

// Seal assigns the ids firstID, firstID+1, … to the entries. Call it once, when the chunk leaves its partition's queue.
func (c *Chunk) Seal(firstID uint64) {
	binary.LittleEndian.PutUint64(c.buf[1:], firstID)
	if c.keyed {
		c.buf = append(c.buf, tagKeyed, 1)
	}
}

// AppendRecordHeader begins a Kafka value; AppendChunk adds sealed chunks to it.
func AppendRecordHeader(b []byte) []byte { return append(b, tagVersion, RecordVersion) }

// AppendChunk adds a sealed chunk to a Kafka value.
func AppendChunk(b []byte, c *Chunk) []byte {
	b = append(b, tagChunk)
	return protowire.AppendBytes(b, c.buf)
}

// AppendCommand appends the Kafka value of a command to b.
func AppendCommand(b []byte, cmd *activitypb.Command) ([]byte, error) {
	v, err := (&activitypb.ActivityBatch{Version: RecordVersion, Command: cmd}).MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("encode a command: %w", err)
	}
	return append(b, v...), nil
}

// DecodeRecord decodes a Kafka value of any producer into b, which shares the memory of value afterwards. The first byte decides the
// form: '{' is one JSON entry, 0x00 an ActivityBatch after the framing of Confluent's schema registry, anything else an
// ActivityBatch. Entries of a JSON value have no ids: the chunk's first id is 0. Every error is ErrRecord.
func DecodeRecord(value []byte, b *activitypb.ActivityBatch) error {
	if len(value) == 0 {
		return fmt.Errorf("%w: empty value", ErrRecord)
	}
	switch value[0] {
	case '{':
		return decodeJSONRecord(value, b)
	case bom[0]: // before a JSON entry; no tag of protobuf begins so, because there is no wire type 7
		return decodeJSONRecord(bytes.TrimPrefix(value, []byte(bom)), b)
	case 0:
		// A magic byte, 4 bytes of schema id, and the message index 0, which is the first message of the file.
		if len(value) < 6 || value[5] != 0 {
			return fmt.Errorf("%w: bad registry framing", ErrRecord)
		}
		value = value[6:]
	}
	if err := b.UnmarshalVTUnsafe(value); err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if b.Version < 1 || b.Version > RecordVersion {
		return fmt.Errorf("%w: version %d, this consumer knows 1 to %d", ErrRecord, b.Version, RecordVersion)
	}
	return nil
}
