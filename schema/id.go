package schema

import (
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
)

// Ids are assigned in blocks. The writer of the record at offset b of the topic "activity.ids" owns the ids
// [b·IDBlock, (b+1)·IDBlock). That keeps ids unique without a clock, a node number or a coordination service.
const (
	IDBlock = 1 << 16
	MaxID   = 1<<53 - 1 // exact in a JavaScript number (ECMA-262, Number.MAX_SAFE_INTEGER)
)

// Block returns the number of the block that id belongs to.
func Block(id uint64) uint64 { return id / IDBlock }

// uuidTag marks the UUIDs that contain one of our ids. It fills the custom bits of RFC 9562's version 8 that the id leaves free.
const uuidTag = 0x616c // "al"

// UUID returns id as a UUIDv8 (RFC 9562, section 5.8). It is reversible and sorts in the order of the ids.
func UUID(id uint64) uuid.UUID {
	var u uuid.UUID
	binary.BigEndian.PutUint64(u[0:], id<<10>>16<<16|0x8000|id&0x3f)
	binary.BigEndian.PutUint64(u[8:], 0x8000_0000_0000_0000|uuidTag)
	return u
}

// IDOfUUID returns the id that UUID put into u. The error is ErrInvalid for a UUID that contains no id.
func IDOfUUID(u uuid.UUID) (uint64, error) {
	hi := binary.BigEndian.Uint64(u[0:])
	id := hi>>16<<6 | hi&0x3f
	if id > MaxID || UUID(id) != u {
		return 0, fmt.Errorf("%w: %s is not the id of an entry", ErrInvalid, u)
	}
	return id, nil
}

// FirstForeignID is the lowest ForeignID. Every id of a block is below it.
const FirstForeignID = 1 << 52

// ForeignID returns the id of an entry that was not written by a collector and has no id: 2^52 + partition·2^40 + offset. It is above every
// id of a block, and the same each time the record is read. Partitions go up to 4095, offsets up to 2^40-1.
func ForeignID(partition int, offset int64) uint64 {
	return FirstForeignID | uint64(partition)<<40 | uint64(offset)
}
