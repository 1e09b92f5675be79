package query

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/activitylog/activitylog/schema"
)

// Mark is how far a tail has come: it had every entry up to the offsets of Position, and of one offset beyond that of its
// partition, the entries up to an index.
type Mark struct {
	Position  schema.Position
	Partition int
	Offset    int64 // 0 with an index of -1: no offset is begun
	Index     int   // the last entry's within the record; -1: none
}

// markOf is the mark of a tail that has had everything up to p.
func markOf(p schema.Position) Mark { return Mark{Position: maps.Clone(p), Index: -1} }

// String is m as callers see it, "p0:17,p3:4" or "p0:17,p3:4/3:5:12". It is opaque to them.
func (m Mark) String() string {
	if m.Index < 0 {
		return m.Position.String()
	}
	return fmt.Sprintf("%s/%d:%d:%d", m.Position, m.Partition, m.Offset, m.Index)
}

// ParseMark reads what String wrote.
func ParseMark(text string) (Mark, error) {
	position, begun, partly := strings.Cut(text, "/")
	p, err := schema.ParsePosition(position)
	m := markOf(p)
	if err == nil && partly {
		err = m.begin(strings.Split(begun, ":"))
	}
	if err != nil {
		return Mark{}, &schema.FieldError{Field: "mark", Code: "SYNTAX", Issue: "is not where a tail had come to"}
	}
	return m, nil
}

func (m *Mark) begin(parts []string) error {
	var n [3]uint64
	if len(parts) != len(n) {
		return fmt.Errorf("%w: %d parts", schema.ErrInvalid, len(parts))
	}
	for i, bits := range [...]int{16, 63, 16} {
		var err error
		if n[i], err = strconv.ParseUint(parts[i], 10, bits); err != nil {
			return err
		}
	}
	m.Partition, m.Offset, m.Index = int(n[0]), int64(n[1]), int(n[2])
	return nil
}

// at is where the entries of a partition begin that m does not have: those of offset from on, of from itself those behind index.
func (m Mark) at(partition int) (from int64, index int) {
	if m.Index >= 0 && m.Partition == partition {
		return m.Offset, m.Index
	}
	if offset, ok := m.Position[partition]; ok {
		return offset + 1, -1
	}
	return 0, -1
}

// through is m once the entry at this place has been had.
func (m Mark) through(partition int, offset int64, index int) Mark {
	next := Mark{Position: maps.Clone(m.Position), Partition: partition, Offset: offset, Index: index}
	if offset > 0 {
		next.Position.Add(partition, offset-1)
	}
	return next
}

// all is m once everything of the partition up to offset has been had.
func (m Mark) all(partition int, offset int64) Mark {
	next := m
	next.Position = maps.Clone(m.Position)
	next.Position.Add(partition, offset)
	if next.Partition == partition {
		next.Partition, next.Offset, next.Index = 0, 0, -1
	}
	return next
}
