package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/ingest/consumer/internal/repeat"
	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// markDays is the time for which the tables certainly keep a watermark: as long as entries, 46 days.
const markDays = 40

// assign looks up the state of the partition in the group, in the log, and in ClickHouse.
func (p *partition) assign(ctx context.Context) error {
	state, err := p.resume(ctx)
	if err != nil {
		return err
	}
	p.peek(ctx)
	p.connections = p.sink.Connections()
	if err := p.lookUpWatermarks(ctx); err != nil {
		return err
	}
	if err := p.remember(ctx, state); err != nil {
		return err
	}
	return p.compare(ctx)
}

// resume reads the group's committed offset and its metadata.
func (p *partition) resume(ctx context.Context) (state repeat.State, err error) {
	err = p.reachKafka(ctx, "fetch the committed offset", func(ctx context.Context) error {
		res, err := p.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{
			GroupID: p.group, Topics: map[string][]int{p.cfg.Topic: {p.number}},
		})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			return err
		}
		at := res.Topics[p.cfg.Topic]
		if len(at) != 1 {
			return kafka.UnknownTopicOrPartition
		}
		if at[0].Error != nil {
			return at[0].Error
		}
		if state, err = repeat.Parse(at[0].Metadata); err != nil {
			p.alarm("metadata", "the group's offset metadata cannot be read; continuing after what is stored", slog.Any("error", err))
		}
		p.takeUp(at[0].CommittedOffset, state)
		return nil
	})
	return state, err
}

// takeUp continues from a commit. If the log has lost its end since then, the batch that the commit declared no longer exists.
func (p *partition) takeUp(offset int64, state repeat.State) {
	p.committed = p.source.Committed(p.number, offset, state.Commit)
	p.blocks, p.intent = state.Blocks, schemakafka.None
	switch {
	case p.committed < 0:
		p.blocks = &repeat.Blocks{}
	case state.Last >= 0 && state.Epochs == len(p.source.Epochs):
		p.intent = p.source.Absolute(p.number, state.Last)
	}
	p.next = p.source.Absolute(p.number, p.committed)
}

// state returns the metadata of a commit whose declared batch ends at the absolute offset last.
func (p *partition) state(last int64) *repeat.State {
	s := &repeat.State{Commit: p.source.Commit(), Blocks: p.blocks}
	s.Day = p.marked
	if offset, ok := p.source.Offset(p.number, last); ok {
		s.Last = offset
	}
	if offset, ok := p.source.Offset(p.number, p.watermark); ok {
		s.Watermark = offset
	}
	return s
}

// remember compares the tables with the last watermark in the group's metadata. If the tables' watermark is lower, they were restored from
// a backup, or emptied: then the log is read again from the tables' watermark.
func (p *partition) remember(ctx context.Context, state repeat.State) error {
	p.watermark, p.marked = p.counted, today()
	if p.committed < 0 || state.Watermark < 0 || !p.source.Current(state.Commit) {
		return nil
	}
	before := p.source.Absolute(p.number, state.Watermark)
	if p.counted >= before {
		if p.counted == before {
			p.marked = state.Day
		}
		return nil
	}
	if today()-state.Day > markDays {
		return nil // it has expired
	}
	from := p.source.Next(p.number, min(p.counted, p.kinds))
	p.alarm("tables_lost", "the tables have lost stored entries; reading the log again from their last watermark",
		slog.Int64("stored_before", before), slog.Int64("stored_now", p.counted), slog.Int64("from", from))
	if p.next = min(p.next, from); p.next == from {
		p.intent = schemakafka.None
	}
	return p.lookUpBlocks(ctx, from)
}

func today() int64 { return time.Now().UnixMilli() / dayMillis }

// peek looks up how long the first record has waited: ClickHouse, which is asked next, may be unavailable for long, and the log does
// not keep a record for ever. It ignores errors: the requests that follow report them.
func (p *partition) peek(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	first := *p.fetch
	first.MaxBytes, first.Wait = 1, time.Millisecond
	at := p.next
	if at < 0 {
		at = p.source.Absolute(p.number, 0)
	}
	if found, _, err := first.fetch(ctx, at); err == nil && len(found.records) > 0 {
		p.since.Store(found.records[0].at)
	}
}

// compare checks the committed offset against the log. A log that begins after it has lost records before they were stored.
// A log that ends before what was stored has lost its newest records: Kafka assigns their offsets again, so a new epoch begins.
func (p *partition) compare(ctx context.Context) error {
	var start, end int64
	err := p.reachKafka(ctx, "look up the log's bounds", func(ctx context.Context) (err error) {
		start, end, err = p.fetch.bounds(ctx)
		return err
	})
	if err != nil {
		return err
	}
	where := slog.Group("log", slog.Int64("start", start), slog.Int64("end", end), slog.Int64("committed", p.next))
	epoch, _ := p.source.Last(p.number)
	if known := max(p.stored, p.counted); known >= max(end, epoch) {
		p.log.ErrorContext(ctx, "kafka log ends before the last stored offset", where, slog.Int64("stored", known))
		return p.cut(ctx)
	}
	switch {
	case p.next < 0: // the group has never committed, or its offsets have expired
		p.next, p.intent, p.blocks = start, schemakafka.None, &repeat.Blocks{}
	case p.next < start:
		p.alarm("trimmed", "records were removed before they were stored", where)
		p.next, p.intent = start, schemakafka.None
	case p.next > end:
		p.alarm("beyond_end", "the log ends before the committed offset; reading it again from its start", where)
		p.next, p.intent, p.blocks = start, schemakafka.None, &repeat.Blocks{}
	case p.intent >= end:
		p.alarm("intent_lost", "the log ends before the end of the declared batch", where)
		p.intent = schemakafka.None
	}
	return nil
}

// errSource means that the log has changed since the partition was assigned.
var errSource = errors.New("the log has changed")

// cut begins a new epoch of the log in this partition, which lost its newest records: records after the last stored one get new
// absolute offsets. The next assignment uses them.
func (p *partition) cut(ctx context.Context) error {
	if p.pair == nil {
		return errSource
	}
	known, numbered := max(p.stored, p.counted), uint64(0)
	err := p.reachKafka(ctx, "look up the leases", func(ctx context.Context) error {
		end, err := schemakafka.Reader{Client: p.client, Topic: schemakafka.IDs(p.cfg.Topic)}.End(ctx)
		numbered = p.source.FirstBlock + uint64(max(0, end))
		return err
	})
	if err != nil {
		return err
	}
	from, err := p.pair.Ending(ctx, p.source, p.number, known, p.committed)
	if err != nil {
		return fmt.Errorf("find where the log lost its end: %w", err)
	}
	p.alarm("reused", "the log lost its newest records; a new epoch begins", slog.Int64("from", from), slog.Int64("stored", known))
	for source := p.source; ; {
		next, err := source.Cut(map[int]int64{p.number: from}, known, numbered)
		if err != nil {
			return err
		}
		state, err := schemakafka.AppendLog(ctx, p.client, p.cfg.Topic, next)
		if errors.Is(err, schemakafka.ErrLogChanged) && state.Log != nil && state.Log.ID == source.ID {
			source = state.Log // another partition wrote first
			continue
		}
		if err == nil {
			err = errSource
		}
		return err
	}
}

// lookUpWatermarks reads how far the partition is stored and counted. An insert of the previous owner may still arrive later; it has the
// same token as this owner's batch, so nothing is stored twice.
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

// blockRecords is the number of a partition's last records whose ids are looked up.
const blockRecords = 5000

// lookUpBlocks reads from the tables which ids were stored before an offset. The group's commit cannot be used: it also has the ids of
// records that the tables lost.
func (p *partition) lookUpBlocks(ctx context.Context, before int64) error {
	const query = `SELECT max(id) FROM activity WHERE kpart = ? AND koff BETWEEN ? AND ? AND id < ? GROUP BY intDiv(id, ?) ORDER BY max(koff)`
	last := max(0, before-1)
	return p.reachClickHouse(ctx, "look up ids", func(ctx context.Context) error {
		p.blocks = &repeat.Blocks{}
		rows, err := p.conn.Query(ctx, query, p.number, max(0, last-blockRecords), last, uint64(schema.FirstForeignID), schema.IDBlock)
		if err != nil {
			return fmt.Errorf("look up ids: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var id uint64
			if err := rows.Scan(&id); err != nil {
				return fmt.Errorf("read ids: %w", err)
			}
			p.blocks.Repeated(id)
		}
		return rows.Err()
	})
}

// errTables means that the tables have changed since the assignment.
var errTables = errors.New("the tables have changed: they lack stored entries, or belong to another log")

// sameTables checks that ClickHouse still has what was stored before, if a connection was made since the last check. Without a new
// connection it is the same server: a server that was restored from a backup, or that replaced another one, keeps no connections.
func (p *partition) sameTables(ctx context.Context) error {
	connections := p.sink.Connections()
	if connections == p.connections {
		return nil
	}
	const query = `SELECT
  (SELECT if(count() = 0, -1, toInt64(max(koff_to))) FROM by_entity WHERE ` + tables.IsWatermark + ` AND entity = toString(?)),
  (SELECT toString(argMax(log, turn)) FROM logs)`
	var counted *int64
	var log *string
	if err := p.conn.QueryRow(ctx, query, p.number).Scan(&counted, &log); err != nil {
		return fmt.Errorf("check whether the tables are the same: %w", err)
	}
	expired := today()-p.marked > markDays
	if *counted < p.watermark && !expired || p.pair != nil && *log != p.source.ID.String() {
		return errTables
	}
	p.connections = connections
	return nil
}
