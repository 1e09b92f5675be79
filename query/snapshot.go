package query

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/schema"
)

// A snapshot is bound to offsets. A partition's entries are stored in the order of its offsets, batch by batch, and the marker of
// a batch in by_entity is inserted after its entries: so the entries that can be seen when a marker can are those up to its
// offset, and whatever is stored later lies beyond. No time would do: an entry that was received before a page was read may be
// stored after it, and its timestamp is the client's.

// storedUpTo is the last offset of each partition whose entries have been stored. It tells nothing of any tenant.
func (s *Store) storedUpTo(ctx context.Context) (schema.Position, error) {
	const markers = "SELECT toUInt16(entity), max(koff_to) FROM by_entity WHERE tenant = '' AND kind = '' GROUP BY entity"
	rows, err := s.run(ctx, statement{text: markers}, s.limits())
	if err != nil {
		return nil, fmt.Errorf("look up what is stored: %w", err)
	}
	defer rows.Close()
	stored := schema.Position{}
	for rows.Next() {
		var partition uint16
		var offset uint64
		if err := rows.Scan(&partition, &offset); err != nil {
			return nil, fmt.Errorf("read an offset: %w", err)
		}
		stored[int(partition)] = int64(offset)
	}
	return stored, fault(ctx, rows.Err())
}

// upTo takes the condition that an entry's offset is at most its partition's in stored; a partition that is missing there has none.
func (c *clauses) upTo(stored schema.Position) {
	var partitions []uint16
	var ends []uint64
	for _, p := range slices.Sorted(maps.Keys(stored)) {
		partitions, ends = append(partitions, uint16(p)), append(ends, uint64(stored[p])+1)
	}
	if len(partitions) == 0 {
		c.Add("false", "", nil)
		return
	}
	c.Add("koff < transform(kpart, {stored:Array(UInt16)}, {ends:Array(UInt64)}, toUInt64(0))", "stored", partitions)
	c.Args = append(c.Args, clickhouse.Named("ends", ends))
}
