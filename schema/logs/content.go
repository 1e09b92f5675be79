package logs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// marks returns the highest offset that the tables have of each partition: of an entry, or of a batch that was stored.
func (p *Pair) marks(ctx context.Context) (map[int]int64, error) {
	const query = `SELECT kpart, max(koff) FROM (
  SELECT kpart, max(koff) AS koff FROM activity GROUP BY kpart
  UNION ALL SELECT toUInt16(entity), max(koff_to) FROM by_entity WHERE ` + tables.IsWatermark + ` GROUP BY entity
) GROUP BY kpart`
	rows, err := p.Conn.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("look up what is stored: %w", err)
	}
	defer rows.Close()
	marks := map[int]int64{}
	for rows.Next() {
		var partition uint16
		var offset uint64
		if err := rows.Scan(&partition, &offset); err != nil {
			return nil, fmt.Errorf("read an offset: %w", err)
		}
		marks[int(partition)] = int64(offset)
	}
	return marks, rows.Err()
}

// content returns an error if Kafka's records differ from the entries of the tables, as far as Kafka still has records of that time. Tables
// of a version without log identities can be compared with a log only by their content.
func (p *Pair) content(ctx context.Context, log *schemakafka.Log) error {
	marks, err := p.marks(ctx)
	if err != nil {
		return err
	}
	partitions, err := schemakafka.Partitions(ctx, p.Client, p.Topic)
	if err != nil {
		return err
	}
	for partition, mark := range marks {
		if partition >= partitions {
			return p.foreign(log, "the tables have entries of partition %d, the topic has %d partitions", partition, partitions)
		}
		start, end, err := p.reader(partition).Bounds(ctx)
		if err != nil {
			return err
		}
		offset, ok := log.Offset(partition, mark)
		if !ok || offset >= end {
			return p.foreign(log, "the tables have offset %d of partition %d, the topic ends at %d", mark, partition, end)
		}
		at, err := p.stored(ctx, partition, log.Absolute(partition, start), log.Absolute(partition, end-1))
		if err != nil || at < 0 {
			if err != nil {
				return err
			}
			continue
		}
		if same, err := p.same(ctx, log, partition, at); err != nil || !same {
			return cmpErr(err, p.foreign(log, "at offset %d of partition %d Kafka has another record than the tables", at, partition))
		}
	}
	return nil
}

func (p *Pair) foreign(log *schemakafka.Log, format string, args ...any) error {
	return refuse("the tables hold entries of another log than Kafka, which has log %v: %s. Put their Kafka back, or give the tables to this one with %q",
		log, fmt.Sprintf(format, args...), schemakafka.AdoptCommand)
}

func (p *Pair) reader(partition int) schemakafka.Reader {
	return schemakafka.Reader{Client: p.Client, Topic: p.Topic, Partition: partition, MaxBytes: 1, Wait: 100 * time.Millisecond}
}

// stored returns the highest offset from first to last of which the tables have an entry, -1 if they have none.
func (p *Pair) stored(ctx context.Context, partition int, first, last int64) (int64, error) {
	const query = "SELECT koff FROM activity WHERE kpart = ? AND koff BETWEEN ? AND ? ORDER BY koff DESC LIMIT 1"
	var at uint64
	err := p.Conn.QueryRow(ctx, query, partition, max(0, first), max(0, last)).Scan(&at)
	switch {
	case errors.Is(err, sql.ErrNoRows) || last < first:
		return -1, nil
	case err != nil:
		return 0, fmt.Errorf("look up an entry: %w", err)
	}
	return int64(at), nil
}

// identity distinguishes entries by both values: the same id may have been assigned twice, and two entries may have the same millisecond of
// receipt.
type identity struct {
	id       uint64
	received int64 // Unix ms
}

// same reports whether the stored entries with this absolute offset came from Kafka's record at that offset.
func (p *Pair) same(ctx context.Context, log *schemakafka.Log, partition int, absolute int64) (bool, error) {
	offset, ok := log.Offset(partition, absolute)
	if !ok {
		return false, nil
	}
	there, err := p.recordAt(ctx, partition, offset, absolute)
	if err != nil || there == nil {
		return false, err
	}
	const query = "SELECT kidx, id, toInt64(toUnixTimestamp64Milli(received_at)) FROM activity WHERE kpart = ? AND koff = ?"
	rows, err := p.Conn.Query(ctx, query, partition, absolute)
	if err != nil {
		return false, fmt.Errorf("look up the entries of a record: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var index uint16
		var stored identity
		if err := rows.Scan(&index, &stored.id, &stored.received); err != nil {
			return false, fmt.Errorf("read an entry: %w", err)
		}
		got, ok := there[index]
		// An entry whose id was already in use got another one, of a later block.
		if !ok || got.received != stored.received || got.id > stored.id {
			return false, rows.Err()
		}
	}
	return true, rows.Err()
}

// recordAt returns the entries of the record at Kafka's offset, nil if there is none.
func (p *Pair) recordAt(ctx context.Context, partition int, offset, absolute int64) (map[uint16]identity, error) {
	var entries map[uint16]identity
	_, _, err := p.reader(partition).Fetch(ctx, offset, func(r *kafka.Record) error {
		if r.Offset != offset || r.Value == nil {
			return nil
		}
		value, err := kafka.ReadAll(r.Value)
		if err == nil {
			entries = identities(partition, absolute, r.Time.UnixMilli(), value)
		}
		return err
	})
	if errors.Is(err, kafka.OffsetOutOfRange) {
		return nil, nil
	}
	return entries, err
}

// identities returns a record's entries by index, as the consumer stores them.
func identities(partition int, absolute, at int64, value []byte) map[uint16]identity {
	entries := map[uint16]identity{}
	var m activitypb.ActivityBatch
	if schema.DecodeRecord(value, &m) != nil {
		return entries
	}
	for _, c := range m.Chunks {
		received := c.ReceivedAt
		if received == 0 {
			received = at
		}
		for i := range c.Entries {
			id := c.FirstId + uint64(i)
			if c.FirstId == 0 {
				id = schema.ForeignID(partition, absolute)
			}
			entries[uint16(len(entries))] = identity{id, received}
		}
	}
	return entries
}

// Ending returns Kafka's offset of the first record of a partition that was not read. All records before it were read, and none after it,
// even if the tables have higher offsets: the log lost its newest records there, and new ones were appended. mark is the highest offset
// that the tables have of the partition. committed is Kafka's offset up to which a consumer committed that everything is stored, -1 without
// a commit.
func (p *Pair) Ending(ctx context.Context, log *schemakafka.Log, partition int, mark, committed int64) (int64, error) {
	start, end, err := p.reader(partition).Bounds(ctx)
	if err != nil {
		return 0, err
	}
	first, _ := log.Last(partition)
	from, _ := log.Offset(partition, first)
	start = max(start, from)
	marked, ok := log.Offset(partition, mark)
	if mark < first || !ok {
		return max(from, min(start, end)), nil // nothing of the epoch is stored
	}
	matched, differs, err := p.overlap(ctx, log, partition, start, min(end, marked+1))
	switch {
	case err != nil:
		return 0, err
	case differs < 0 && marked < end && committed > marked: // it lost nothing
		return marked + 1, nil
	case matched >= 0 && (differs >= 0 || marked >= end):
		return matched + 1, nil
	}
	// No entry is left to compare, perhaps because all were deleted: everything up to the committed offset is stored.
	return max(start, matched+1, min(committed, end, marked+1)), nil
}

// overlap searches [start, end) for Kafka's highest offset whose record is in the tables, and for the lowest whose record differs; -1 if
// there is none. Up to the point where a log lost its newest records all records are the same, after it none is.
func (p *Pair) overlap(ctx context.Context, log *schemakafka.Log, partition int, start, end int64) (matched, differs int64, err error) {
	matched, differs = -1, -1
	for last := end - 1; start < end; {
		at, err := p.stored(ctx, partition, log.Absolute(partition, start), log.Absolute(partition, last))
		if err != nil {
			return 0, 0, err
		}
		if at < 0 { // none in the lower half
			start, last = last+1, end-1
			continue
		}
		same, err := p.same(ctx, log, partition, at)
		if err != nil {
			return 0, 0, err
		}
		offset, _ := log.Offset(partition, at)
		if same {
			matched, start = offset, last+1
		} else {
			differs, end = offset, offset
		}
		last = start + (end-1-start)/2
	}
	return matched, differs, nil
}
