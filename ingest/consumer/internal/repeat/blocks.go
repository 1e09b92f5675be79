// Package repeat recognises what has been seen before: records that a producer wrote twice, by their ids, and entries that a
// client sent twice, by their event keys. Its decisions depend on what lies before a batch and on nothing else, so that a
// replay of the batch decides the same.
package repeat

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/activitylog/activitylog/schema"
)

// maxBlocks is how many blocks of ids are remembered, the most recently seen. Each takes at most 14 bytes of the 4,096 that
// a broker allows for an offset's metadata (offset.metadata.max.bytes).
const maxBlocks = 256

// Blocks is the last id seen of each block of ids in one partition. A producer hands out the ids of a block in rising
// order within a partition, so that an id not above the last one is a repetition. The zero value has seen nothing.
type Blocks struct {
	seen []lastID // the most recently seen is the last
}

type lastID struct{ block, id uint64 }

// Repeated says whether id has been seen, and remembers it if not.
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

// Clone is a copy of b that changes on its own.
func (b *Blocks) Clone() *Blocks { return &Blocks{seen: slices.Clone(b.seen)} }

// NoIntent is the last offset of an intent that declares no batch.
const NoIntent = -1

const version = "v1:"

// Encode is the metadata of an offset commit: the last offset of the batch that begins at the committed offset, or
// NoIntent, and what had been seen before that batch. "v1:<last>|<block>=<id within the block>|…", the numbers behind the
// bar in base 36, the most recently seen block last.
func (b *Blocks) Encode(last int64) string {
	out := strconv.AppendInt([]byte(version), last, 10)
	for _, s := range b.seen {
		out = append(out, '|')
		out = strconv.AppendUint(out, s.block, 36)
		out = append(out, '=')
		out = strconv.AppendUint(out, s.id%schema.IDBlock, 36)
	}
	return string(out)
}

// Parse reads what Encode wrote. The empty text is that of a group which has committed nothing: no intent, nothing seen.
func Parse(metadata string) (last int64, b *Blocks, err error) {
	b = &Blocks{}
	if metadata == "" {
		return NoIntent, b, nil
	}
	text, ok := strings.CutPrefix(metadata, version)
	if !ok {
		return NoIntent, b, fmt.Errorf("offset metadata %.20q: want version %s", metadata, version)
	}
	head, rest, more := strings.Cut(text, "|")
	last, err = strconv.ParseInt(head, 10, 64)
	if err != nil || last < NoIntent {
		return NoIntent, b, fmt.Errorf("offset metadata %.40q: bad offset", metadata)
	}
	for more {
		var item string
		item, rest, more = strings.Cut(rest, "|")
		s, err := parseBlock(item)
		if err != nil || len(b.seen) == maxBlocks {
			return NoIntent, &Blocks{}, fmt.Errorf("offset metadata %.40q: bad block %.20q", metadata, item)
		}
		b.seen = append(b.seen, s)
	}
	return last, b, nil
}

func parseBlock(item string) (lastID, error) {
	block, id, _ := strings.Cut(item, "=")
	k, err := strconv.ParseUint(block, 36, 64)
	if err != nil || k > schema.Block(schema.MaxID) {
		return lastID{}, fmt.Errorf("bad number %q", block)
	}
	i, err := strconv.ParseUint(id, 36, 64)
	if err != nil || i >= schema.IDBlock {
		return lastID{}, fmt.Errorf("bad number %q", id)
	}
	return lastID{block: k, id: k*schema.IDBlock + i}, nil
}
