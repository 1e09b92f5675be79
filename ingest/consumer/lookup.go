package consumer

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	"github.com/activitylog/activitylog/ingest/consumer/internal/early"
	"github.com/activitylog/activitylog/ingest/consumer/internal/repeat"
	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// recovery returns what is stored of b's range, nil if nothing can be stored. Something is stored if the committed offset was lost, or if
// the previous owner stored the batch and ended before it committed.
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

// renumber returns a new id for an entry whose own id was already assigned to another entry.
func (p *partition) renumber(ctx context.Context) (id uint64, err error) {
	err = p.reachKafka(ctx, "lease ids", func(ctx context.Context) error {
		id, err = p.numbers.Next(ctx, p.source)
		return err
	})
	return id, err
}

// hasKey is the condition for rows with event keys: the field event_key of an Extra begins with tag 7 and the length 16. A few rows without
// a key meet it, too.
const hasKey = "position(extra, unhex('3A10')) > 0"

// newestFirst makes reading the newest rows cheap and reliable: see ARCHITECTURE.md.
var newestFirst = clickhouse.Settings{"use_statistics": 0, "use_top_k_dynamic_filtering": 0}

// loadKeys loads the newest event keys that the partition received from since (Unix ms) on and before b, as many as are remembered. If
// partitions have been added since then, some keys of the partition lie in others: they count as older.
func (p *partition) loadKeys(ctx context.Context, b *batch, since int64) error {
	if err := p.at(beforeKeys); err != nil {
		return err
	}
	if err := p.count(ctx); err != nil {
		return err
	}
	return p.reachClickHouse(ctx, "look up event keys", func(ctx context.Context) error {
		q := keyQuery{partition: p, since: since, max: p.keys.Max}
		if err := q.own(ctx, b.first); err != nil {
			return err
		}
		moved, err := q.moved(ctx)
		if err == nil && moved {
			err = q.others(ctx)
		}
		if err != nil {
			return err
		}
		p.keys.Load(since, q.found)
		return nil
	})
}

// recount is called for a batch with a key that belongs to another partition. It checks whether partitions were added, and loads the keys
// again if so.
func (p *partition) recount(ctx context.Context, b *batch) (changed bool, err error) {
	if time.Since(p.recounted) < lookEvery {
		return false, nil
	}
	before := p.of
	err = p.count(ctx)
	p.recounted = time.Now()
	if err != nil || p.of == before {
		return false, err
	}
	p.log.InfoContext(ctx, "partitions added", slog.Int("before", before), slog.Int("now", p.of))
	return true, p.loadKeys(ctx, b, p.keys.Since(b.received))
}

// count looks up how many partitions the topic has.
func (p *partition) count(ctx context.Context) error {
	return p.reachKafka(ctx, "count partitions", func(ctx context.Context) (err error) {
		p.of, err = schemakafka.PartitionsNow(ctx, p.client, p.cfg.Topic)
		return err
	})
}

// keyQuery collects event keys from the tables, the newest first.
type keyQuery struct {
	*partition
	since int64 // Unix ms
	max   int
	found []repeat.Key
}

// own reads the keys of the partition's entries before an offset, in steps: not every row that a step reads has a key.
func (q *keyQuery) own(ctx context.Context, before int64) error {
	const query = `SELECT tenant, extra, toInt64(toUnixTimestamp64Milli(received_at)), kpart, koff, kidx FROM activity
WHERE kpart = ? AND koff <= ? AND (koff, kidx) < (?, ?) AND received_at >= fromUnixTimestamp64Milli(?) AND ` + hasKey + `
ORDER BY koff DESC, kidx DESC LIMIT ?`
	last := repeat.Place{Offset: before}
	for {
		limit := q.max - len(q.found)
		n, end, err := q.read(ctx, query, q.number, last.Offset, last.Offset, last.Index, q.since, limit)
		if last = end; err != nil || n < limit || len(q.found) >= q.max {
			return err
		}
	}
}

// moved reports whether keys of the partition may lie in other partitions: that is so if one of them is younger than since, or if the
// tables have more partitions than the topic has now.
func (q *keyQuery) moved(ctx context.Context) (bool, error) {
	const (
		older  = `SELECT count() FROM (SELECT 1 FROM activity WHERE kpart = ? AND received_at < fromUnixTimestamp64Milli(?) LIMIT 1)`
		beyond = `SELECT count() FROM (SELECT 1 FROM activity WHERE kpart >= ? AND received_at >= fromUnixTimestamp64Milli(?) LIMIT 1)`
	)
	var n uint64
	for partition := range q.of {
		if err := q.conn.QueryRow(ctx, older, partition, q.since).Scan(&n); err != nil || n == 0 {
			return err == nil, err
		}
	}
	err := q.conn.QueryRow(ctx, beyond, q.of, q.since).Scan(&n)
	return n > 0, err
}

// others reads the keys that belong to the partition today, but were written to others.
func (q *keyQuery) others(ctx context.Context) error {
	limit := q.max - len(q.found)
	if limit <= 0 {
		return nil
	}
	const query = `SELECT tenant, extra, toInt64(toUnixTimestamp64Milli(received_at)), kpart, koff, kidx FROM activity
WHERE kpart != ? AND received_at >= fromUnixTimestamp64Milli(?) AND ` + hasKey + `
  AND (kafkaMurmurHash(substring(extra, position(extra, unhex('3A10')) + 2, 16)) % ? = ? OR countSubstrings(extra, unhex('3A10')) > 1)
ORDER BY received_at DESC, kpart DESC, koff DESC, kidx DESC LIMIT ?`
	_, _, err := q.read(ctx, query, q.number, q.since, q.of, q.number, limit)
	return err
}

// read adds the keys of a query's rows that belong to the partition, and returns how many rows there were, and where the last one lies.
func (q *keyQuery) read(ctx context.Context, query string, args ...any) (n int, last repeat.Place, err error) {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(newestFirst))
	rows, err := q.conn.Query(ctx, query, args...)
	if err != nil {
		return 0, last, fmt.Errorf("look up event keys: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var tenant, extra string
		var received int64
		var partition uint16
		var offset uint64
		if err := rows.Scan(&tenant, &extra, &received, &partition, &offset, &last.Index); err != nil {
			return n, last, fmt.Errorf("read event keys: %w", err)
		}
		n++
		last.Partition, last.Offset = int(partition), int64(offset)
		key, ok := repeat.KeyOf([]byte(extra))
		if !ok || last.Partition != q.number && schemakafka.PartitionOf(key.Hash[:], q.of) != q.number {
			continue
		}
		key.Tenant, key.ReceivedAt, key.Place = tenant, received, last
		q.found = append(q.found, key)
	}
	if err := rows.Err(); err != nil {
		return n, last, fmt.Errorf("read event keys: %w", err)
	}
	return n, last, nil
}

// lookUpGone notes which entries with remembered event keys a delete is about to remove. Without that, every delete would make the
// partition load all of them again.
func (p *partition) lookUpGone(ctx context.Context, a *assembly, b *batch, tenant string, cond condition) error {
	if !p.keys.Loaded() {
		return nil
	}
	from, ok := p.keys.Oldest(p.number)
	if !ok {
		from = b.first
	}
	query := "SELECT koff, kidx FROM activity WHERE tenant = {tenant:String} AND koff >= {from:UInt64} AND " + hasKey + " AND (" + cond.text + ")"
	args := append([]any{clickhouse.Named("tenant", tenant), clickhouse.Named("from", uint64(max(0, from)))}, cond.args...)
	return p.reachClickHouse(ctx, "look up event keys", func(ctx context.Context) error {
		rows, err := p.conn.Query(ctx, query, args...)
		if err != nil {
			return fmt.Errorf("look up event keys: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var offset uint64
			var at block.Location
			if err := rows.Scan(&offset, &at.Index); err != nil {
				return fmt.Errorf("read event keys: %w", err)
			}
			at.Offset = int64(offset)
			a.lost(at)
		}
		return rows.Err()
	})
}

// completeEarlier adds entries to the rollups that earlier epochs stored but did not count, before the first batch of the new epoch is
// stored. Their records are gone, so no replay would count them.
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
