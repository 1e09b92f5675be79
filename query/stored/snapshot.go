package stored

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// A snapshot is bound to offsets. A partition's entries are stored in the order of its offsets, batch by batch, and the
// rollup watermark of a batch in by_entity is inserted after its entries. So a query that sees a watermark also sees the entries up to its
// offset, and entries that are stored later have higher offsets. A time cannot be used: an entry that was received before a page was read
// may be stored after it, and clients choose the timestamps.

// UpTo returns, for each partition, the last offset up to which entries have been stored.
func (p *Progress) UpTo(ctx context.Context) (schema.Position, error) {
	const watermarks = "SELECT toUInt16(entity), max(koff_to) FROM by_entity WHERE " + tables.IsWatermark + " GROUP BY entity"
	rows, err := p.db.QueryWithoutTenant(ctx, db.Statement{Text: watermarks})
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
	return stored, db.Fault(ctx, rows.Err())
}

// Bound adds the condition that an entry's offset is at most its partition's in stored. Entries of a partition that is missing
// there do not match.
func Bound(c *db.Clauses, stored schema.Position) {
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
