// Package repeat recognises repetitions: records that a producer wrote twice, by their ids, and entries that a client sent twice,
// by their event keys. Its decisions depend only on what lies before a batch, so that a replay of the batch decides the same.
package repeat

import (
	"slices"

	"github.com/activitylog/activitylog/schema"
)

// maxBlocks is how many blocks of ids are remembered: those seen most recently. Each takes at most 14 of the 4,096 bytes that a
// broker allows for an offset's metadata (offset.metadata.max.bytes).
const maxBlocks = 256

// Blocks remembers the last id of each block of ids that was seen in one partition. A producer gives out the ids of a block in
// rising order within a partition, so an id that is not above the last one is a repetition. The zero value has seen no id.
type Blocks struct {
	seen []lastID // the most recently seen is the last
}

type lastID struct{ block, id uint64 }

// Repeated reports whether id has been seen, and remembers it if not.
func (b *Blocks) Repeated(id uint64) bool {
	block := schema.Block(id)
	for i, s := range slices.Backward(b.seen) {
		if s.block != block {
			continue
		}
		if id <= s.id {
			return true
		}
		copy(b.seen[i:], b.seen[i+1:])
		b.seen[len(b.seen)-1] = lastID{block, id}
		return false
	}
	if len(b.seen) == maxBlocks {
		b.seen = slices.Delete(b.seen, 0, 1)
	}
	b.seen = append(b.seen, lastID{block, id})
	return false
}

// Clone returns an independent copy of b.
func (b *Blocks) Clone() *Blocks { return &Blocks{seen: slices.Clone(b.seen)} }
