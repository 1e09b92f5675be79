package consumer

import (
	"context"
	"fmt"
	"math"

	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	"github.com/activitylog/activitylog/ingest/consumer/internal/repeat"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// lookUpWatermarks asks how far the partition is stored and counted. An insert that a previous owner still has under way may
// land later: its identical token makes either that insert or ours a no-op.
func (p *partition) lookUpWatermarks(ctx context.Context) error {
	const query = `SELECT
  (SELECT if(count() = 0, -1, toInt64(max(koff))) FROM activity WHERE kpart = ?),
  (SELECT if(count() = 0, -1, toInt64(max(koff_to))) FROM by_entity WHERE ` + tables.IsWatermark + ` AND entity = toString(?)),
  (SELECT if(count() = 0, -1, toInt64(max(koff_to))) FROM by_kind WHERE kpart = ?)`
	return p.reachClickHouse(ctx, "look up what is stored", func(ctx context.Context) error {
		var stored, counted, kinds *int64
		if err := p.conn.QueryRow(ctx, query, p.number, p.number, p.number).Scan(&stored, &counted, &kinds); err != nil {
			return fmt.Errorf("look up the highest offsets: %w", err)
		}
		p.stored, p.counted, p.kinds = *stored, *counted, *kinds
		return nil
	})
}

// recovery returns what is stored of b's range, nil if nothing can be. Something is stored if the committed offset was lost, or
// if the previous owner stored the batch and ended before it committed.
func (p *partition) recovery(ctx context.Context, b *batch) (*recovery, error) {
	if b.first > max(p.stored, p.counted) {
		return nil, nil
	}
	r := &recovery{entities: p.counted, kinds: p.kinds, stored: map[block.Location]uint64{}}
	if p.reused {
		r.ids = map[uint64]struct{}{}
		return r, p.lookUpIDs(ctx, b, r)
	}
	const query = "SELECT koff, kidx, id FROM activity WHERE kpart = ? AND koff BETWEEN ? AND ?"
	return r, p.reachClickHouse(ctx, "look up a batch", func(ctx context.Context) error {
		clear(r.stored)
		rows, err := p.conn.Query(ctx, query, p.number, b.first, b.last)
		if err != nil {
			return fmt.Errorf("look up a batch's entries: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var offset, id uint64
			var index uint16
			if err := rows.Scan(&offset, &index, &id); err != nil {
				return fmt.Errorf("read a batch's entries: %w", err)
			}
			r.stored[block.Location{Offset: int64(offset), Index: index}] = id
		}
		return rows.Err()
	})
}

// lookUpIDs finds which of the batch's ids the partition holds, whatever their offsets.
func (p *partition) lookUpIDs(ctx context.Context, b *batch, r *recovery) error {
	lowest, highest := idRange(p.number, b)
	const query = "SELECT id FROM activity WHERE kpart = ? AND id BETWEEN ? AND ?"
	return p.reachClickHouse(ctx, "look up ids", func(ctx context.Context) error {
		clear(r.ids)
		rows, err := p.conn.Query(ctx, query, p.number, lowest, highest)
		if err != nil {
			return fmt.Errorf("look up ids: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var id uint64
			if err := rows.Scan(&id); err != nil {
				return fmt.Errorf("read ids: %w", err)
			}
			r.ids[id] = struct{}{}
		}
		return rows.Err()
	})
}

// loadKeys loads the event keys that the partition received from since (Unix ms) on and before b.
func (p *partition) loadKeys(ctx context.Context, b *batch, since int64) error {
	// 0x3A10 is how the field event_key of an Extra begins: tag 7, 16 bytes.
	const query = `SELECT tenant, extra, toInt64(toUnixTimestamp64Milli(received_at)), koff FROM activity
WHERE kpart = ? AND koff < ? AND received_at >= fromUnixTimestamp64Milli(?) AND position(extra, unhex('3A10')) > 0
ORDER BY koff DESC, kidx DESC`
	return p.reachClickHouse(ctx, "look up event keys", func(ctx context.Context) error {
		rows, err := p.conn.Query(ctx, query, p.number, b.first, since)
		if err != nil {
			return fmt.Errorf("look up event keys: %w", err)
		}
		defer rows.Close()
		var keys []repeat.Key
		for rows.Next() && len(keys) < p.keys.Max {
			var tenant, extra string
			var received int64
			var offset uint64
			if err := rows.Scan(&tenant, &extra, &received, &offset); err != nil {
				return fmt.Errorf("read event keys: %w", err)
			}
			if key, ok := repeat.KeyOf([]byte(extra)); ok {
				key.Tenant, key.ReceivedAt, key.Offset = tenant, received, int64(offset)
				keys = append(keys, key)
			}
		}
		if err := rows.Err(); err != nil {
			return fmt.Errorf("read event keys: %w", err)
		}
		p.keys.Load(since, keys)
		return nil
	})
}

// idRange returns the lowest and the highest id in b.
func idRange(partition int, b *batch) (lowest, highest uint64) {
	lowest = math.MaxUint64
	var m activitypb.ActivityBatch
	for i := range b.records {
		m.ResetVT()
		if schema.DecodeRecord(b.records[i].value, &m) != nil {
			continue
		}
		eachEntry(partition, &b.records[i], &m, func(row *block.Row, _ *activitypb.Chunk) {
			lowest, highest = min(lowest, row.ID), max(highest, row.ID)
		})
	}
	return lowest, highest
}
