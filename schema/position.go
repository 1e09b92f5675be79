package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// PositionHeader carries the position of a write to its caller. A read that sends it back waits until the write is visible.
const PositionHeader = "X-Activity-Position"

// Bounds of ParsePosition: a waiting read asks Kafka every few milliseconds about every partition of the position. A read cannot wait for
// the position of a batch in more partitions.
const (
	maxPositions = 512
	maxPartition = 4095 // as ForeignID
)

// Position is the place of a write in Kafka: the highest offset of its records in each partition.
type Position map[int]int64

// Add raises the offset of partition to at least offset.
func (p Position) Add(partition int, offset int64) {
	if at, ok := p[partition]; !ok || offset > at {
		p[partition] = offset
	}
}

// String returns p in ascending order of partitions: "p0:17,p3:4". It is opaque to callers.
func (p Position) String() string {
	parts := make([]int, 0, len(p))
	for k := range p {
		parts = append(parts, k)
	}
	slices.Sort(parts)
	var b []byte
	for i, k := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, 'p')
		b = strconv.AppendInt(b, int64(k), 10)
		b = append(b, ':')
		b = strconv.AppendInt(b, p[k], 10)
	}
	return string(b)
}

// ParsePosition reverses String, for up to 512 partitions. The empty string is the empty position.
func ParsePosition(s string) (Position, error) {
	p := Position{}
	if s == "" {
		return p, nil
	}
	for item := range strings.SplitSeq(s, ",") {
		partition, offset, ok := strings.Cut(strings.TrimPrefix(item, "p"), ":")
		k, err1 := strconv.ParseUint(partition, 10, 32)
		o, err2 := strconv.ParseUint(offset, 10, 63)
		if !ok || !strings.HasPrefix(item, "p") || err1 != nil || err2 != nil || k > maxPartition || len(p) == maxPositions {
			return nil, fmt.Errorf("%w", &FieldError{Field: "position", Code: "SYNTAX", Issue: "must be the value of an " + PositionHeader + " header"})
		}
		p.Add(int(k), int64(o))
	}
	return p, nil
}
