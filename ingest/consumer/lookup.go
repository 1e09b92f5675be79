package consumer

import (
	"context"
	"fmt"

	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	"github.com/activitylog/activitylog/ingest/consumer/internal/early"
	"github.com/activitylog/activitylog/ingest/consumer/internal/repeat"
	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// recovery returns what is stored of b's range, nil if nothing can be. Something is stored if the committed offset was lost, or
// if the previous owner stored the batch and ended before it committed.
func (p *partition) recovery(ctx context.Context, b *batch) (*recovery, error) {
	if b.first > max(p.stored, p.counted) {
		return nil, nil
	}
	r := &recovery{entities: p.counted, kinds: p.kinds, stored: map[block.Location]early.Identity{}}
	const query = `SELECT koff, kidx, id, toInt64(toUnixTimestamp64Milli(received_at))
FROM activity WHERE kpart = ? AND koff BETWEEN ? AND ?`
	return r, p.reachClickHouse(ctx, "look up a batch", func(ctx context.Context) error {
		clear(r.stored)
		rows, err := p.conn.Query(ctx, query, p.number, b.first, b.last)
		if err != nil {
			return fmt.Errorf("look up a batch's entries: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var offset uint64
			var index uint16
			var entry early.Identity
			if err := rows.Scan(&offset, &index, &entry.ID, &entry.Received); err != nil {
				return fmt.Errorf("read a batch's entries: %w", err)
			}
			r.stored[block.Location{Offset: int64(offset), Index: index}] = entry
		}
		return rows.Err()
	})
}

// early decides about the ids of a batch that were leased before the partition's last epoch.
func (p *partition) early() *early.Lookup {
	first, fresh := p.source.Last(p.number)
	return &early.Lookup{First: first, Fresh: fresh * schema.IDBlock}
}

// renumber is an id for an entry whose own was given away before.
func (p *partition) renumber(ctx context.Context) (id uint64, err error) {
	err = p.reachKafka(ctx, "lease ids", func(ctx context.Context) error {
		id, err = p.numbers.Next(ctx, p.source)
		return err
	})
	return id, err
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

// completeEarlier has the rollups count, before the first batch of an epoch is stored, what the epochs before it stored and did
// not come to count: the log that would repeat it is gone.
func (p *partition) completeEarlier(ctx context.Context, b *batch) error {
	first, _ := p.source.Last(p.number)
	if p.completed || b.first < first || first == 0 {
		return nil
	}
	if err := p.lookUpWatermarks(ctx); err != nil {
		return err
	}
	if p.counted >= first-1 {
		p.completed = true
		return nil
	}
	for _, r := range [...]struct {
		tables.Rollup
		counted int64
	}{{tables.ByEntity, p.counted}, {tables.ByKind, p.kinds}} {
		where := fmt.Sprintf("kpart = %d AND koff > %d AND koff < %d", p.number, max(0, r.counted), first)
		if r.counted < 0 {
			where = fmt.Sprintf("kpart = %d AND koff < %d", p.number, first)
		}
		own := map[string]string{"insert_deduplication_token": fmt.Sprintf("%s:%d:before %d:%s", p.cfg.Topic, p.number, first, r.Table)}
		if err := p.reachClickHouse(ctx, "complete "+r.Table, func(ctx context.Context) error {
			return p.sink.Exec(ctx, r.Add(where), subtractSettings, own)
		}); err != nil {
			return err
		}
	}
	marker := fmt.Sprintf("INSERT INTO by_entity (entity, received, koff_to) SELECT '%d', today(), %d", p.number, first-1)
	if err := p.reachClickHouse(ctx, "complete by_entity", func(ctx context.Context) error { return p.sink.Exec(ctx, marker, subtractSettings) }); err != nil {
		return err
	}
	p.completed = true
	return p.lookUpWatermarks(ctx)
}
