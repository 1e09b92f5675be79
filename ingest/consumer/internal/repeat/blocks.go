// Package repeat recognises repetitions: records that a producer wrote twice, by their ids, and entries that a client sent twice,
// by their event keys. Its decisions depend only on what lies before a batch, so that a replay of the batch decides the same.
package repeat

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/activitylog/activitylog/schema"
)

// maxBlocks is how many blocks of ids are remembered: those seen most recently. Each takes at most 14 of the 4,096 bytes that a
// broker allows for an offset's metadata (offset.metadata.max.bytes).
const maxBlocks = 256

// Blocks remembers the last id of each block of ids that was seen in one partition. A producer gives out the ids of a block in
// rising order within a partition, so an id that is not above the last one is a repetition. The zero value has seen nothing.
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

// Clone returns an independent copy of b.
func (b *Blocks) Clone() *Blocks { return &Blocks{seen: slices.Clone(b.seen)} }

// NoIntent is what Encode and Parse have in place of the last offset if no batch is declared.
const NoIntent = -1

const version = "v1:"

// Encode returns the metadata of an offset commit: the last offset of the declared batch, which begins at the committed offset,
// or NoIntent, and the ids seen before that batch. Its form is "v1:<last>|<block>=<id within the block>|…". Blocks and ids are
// in base 36, and the block seen most recently comes last.
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

// Parse reads what Encode returned. Empty metadata are those of a group that has committed nothing: no batch is declared, and
// nothing was seen.
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
