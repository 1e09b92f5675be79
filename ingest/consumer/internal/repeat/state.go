package repeat

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// State is the metadata of an offset commit of the group.
type State struct {
	schemakafka.Commit
	Blocks *Blocks // what had been seen before the committed offset
}

// Encode is s as the metadata of an offset commit: the Commit, and "|<block>=<id within the block>" for each block, in base 36,
// the most recently seen block last.
func (s *State) Encode() string {
	out := s.Append(nil)
	for _, b := range s.Blocks.seen {
		out = append(out, '|')
		out = strconv.AppendUint(out, b.block, 36)
		out = append(out, '=')
		out = strconv.AppendUint(out, b.id%schema.IDBlock, 36)
	}
	return string(out)
}

func fresh() State { return State{schemakafka.NoCommit(), &Blocks{}} }

// Parse reads what Encode wrote. A group that has committed nothing has the empty text.
func Parse(metadata string) (State, error) {
	commit, rest, err := schemakafka.ParseCommit(metadata)
	if err != nil {
		return fresh(), err
	}
	s := State{commit, &Blocks{}}
	for more := strings.Contains(metadata, "|"); more; {
		var item string
		item, rest, more = strings.Cut(rest, "|")
		b, err := parseBlock(item)
		if err != nil || len(s.Blocks.seen) == maxBlocks {
			return fresh(), fmt.Errorf("offset metadata %.60q: bad block %.20q", metadata, item)
		}
		s.Blocks.seen = append(s.Blocks.seen, b)
	}
	return s, nil
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
