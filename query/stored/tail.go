package stored

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/activitylog/activitylog/schema"
)

// TailPosition says which entries a tail has sent: all entries up to the offsets of Position and, in one partition, the entries up to an
// index of one later record.
type TailPosition struct {
	Position  schema.Position
	Partition int
	Offset    int64 // of the record that is partly read; 0 with an index of -1: there is none
	Index     int   // of the last entry within that record; -1: none
}

// TailAt returns the position of a tail that has sent everything up to p.
func TailAt(p schema.Position) TailPosition { return TailPosition{Position: maps.Clone(p), Index: -1} }

// String returns t as callers see it, "p0:17,p3:4" or "p0:17,p3:4/3:5:12". It is opaque to them.
func (t TailPosition) String() string {
	if t.Index < 0 {
		return t.Position.String()
	}
	return fmt.Sprintf("%s/%d:%d:%d", t.Position, t.Partition, t.Offset, t.Index)
}

// ParseTailPosition reads what String wrote.
func ParseTailPosition(text string) (TailPosition, error) {
	position, record, partly := strings.Cut(text, "/")
	p, err := schema.ParsePosition(position)
	t := TailAt(p)
	if err == nil && partly {
		err = t.within(strings.Split(record, ":"))
	}
	if err != nil {
		return TailPosition{}, &schema.FieldError{Field: "position", Code: "SYNTAX", Issue: "is not a tail position"}
	}
	return t, nil
}

func (t *TailPosition) within(parts []string) error {
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
	t.Partition, t.Offset, t.Index = int(n[0]), int64(n[1]), int(n[2])
	return nil
}

// Next returns where the tail continues in a partition: with the record at offset from, after the entry index of that record.
func (t TailPosition) Next(partition int) (from int64, index int) {
	if t.Index >= 0 && t.Partition == partition {
		return t.Offset, t.Index
	}
	if offset, ok := t.Position[partition]; ok {
		return offset + 1, -1
	}
	return 0, -1
}

// Through returns t after the tail has sent this entry.
func (t TailPosition) Through(partition int, offset int64, index int) TailPosition {
	next := TailPosition{Position: maps.Clone(t.Position), Partition: partition, Offset: offset, Index: index}
	if offset > 0 {
		next.Position.Add(partition, offset-1)
	}
	return next
}

// UpTo returns t after the tail has sent everything of the partition up to offset.
func (t TailPosition) UpTo(partition int, offset int64) TailPosition {
	next := t
	next.Position = maps.Clone(t.Position)
	next.Position.Add(partition, offset)
	if next.Partition == partition {
		next.Partition, next.Offset, next.Index = 0, 0, -1
	}
	return next
}
