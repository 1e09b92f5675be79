package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	"github.com/activitylog/activitylog/ingest/consumer/internal/sink"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Points at which a test may end the work on a partition, as a crash would.
const (
	beforeIntent  = "before intent"
	afterIntent   = "after intent"
	beforeKeys    = "before event keys are read"
	afterPart     = "after a part of the entries" // when ClickHouse refused them as a whole
	afterEntries  = "after entries"
	afterEntities = "after by_entity"
	afterKinds    = "after by_kind"
	beforeDelete  = "before delete"
	afterSubtract = "after subtract"
	afterDelete   = "after delete"
)

// at lets a test fail at the point. Outside of tests p.fail is nil.
func (p *partition) at(point string) error {
	if p.fail == nil {
		return nil
	}
	return p.fail(p.number, point)
}

// store declares b, stores its entries in ClickHouse, and applies its deletes. Wherever it is interrupted, the next owner of
// the partition stores the same range under the same token, with the same result. It returns the next batch, which was filled meanwhile.
func (p *partition) store(ctx context.Context, e ending, b *batch) (next *batch, err error) {
	a := b.assembled
	if a == nil {
		if a, err = p.assemblies.Get(ctx); err != nil {
			return nil, err
		}
	}
	defer p.assemblies.Put(a)
	if err := p.completeEarlier(ctx, b); err != nil {
		return nil, err
	}
	if err := p.declare(ctx, b); err != nil {
		return nil, err
	}
	if b.assembled == nil {
		if err := p.assemble(ctx, a, b); err != nil {
			return nil, err
		}
	}
	prefetched := p.prefetch(a, b)
	err = p.write(ctx, a, b)
	if err == nil {
		err = p.erase(ctx, a, b)
	}
	next = prefetched.end()
	if err == nil {
		if e.begin.Err() != nil {
			next.drop(p.assemblies) // it is not started
		}
		err = p.complete(ctx, a, b, next)
	}
	if err != nil {
		next.drop(p.assemblies)
	}
	return next, err
}

// complete moves the partition to the offset after b, which is stored. If the next batch is about to be declared, its commit covers b.
// Otherwise complete commits the offset without declaring a batch, so that readers see what has been stored.
func (p *partition) complete(ctx context.Context, a *assembly, b, next *batch) error {
	p.metric.stored(a, b)
	if n := a.outcomes.renumbered; n > 0 {
		p.alarm("renumbered", "ids were assigned twice; entries are stored under other ids than their callers got",
			slog.Int("entries", n), slog.Int64("offset", b.first))
	}
	p.blocks, p.next, p.intent = a.blocks, p.source.Next(p.number, b.last), schemakafka.None
	if a.marks(b) {
		p.watermark, p.marked = b.last, b.records[0].at/dayMillis
	}
	a.keys.Keep()
	p.keys.Remove(a.gone) // a later entry must not count as a repetition of a deleted or refused one; after a restart it does not, either
	p.metric.lag.Set(float64(p.fetch.between(p.next, p.pending.end)))
	p.since.Store(next.since())
	if next.assembled != nil {
		return nil
	}
	return p.commit(ctx, p.next, schemakafka.None)
}

// declare commits the batch's first offset, and its last one as metadata: everything before is stored, and this batch is about to be
// inserted.
func (p *partition) declare(ctx context.Context, b *batch) error {
	if b.replay {
		p.metric.replays.Inc()
		return nil
	}
	if err := p.at(beforeIntent); err != nil {
		return err
	}
	if err := p.commit(ctx, b.first, b.last); err != nil {
		return err
	}
	return p.at(afterIntent)
}

// assemble decides which entries of b are stored.
func (p *partition) assemble(ctx context.Context, a *assembly, b *batch) error {
	if since := p.keys.Since(b.received); b.keyed && !p.keys.Know(since) {
		if err := p.loadKeys(ctx, b, since); err != nil {
			return err
		}
	}
	rec, err := p.recovery(ctx, b)
	if err != nil {
		return err
	}
	ids := p.early()
	ids.Number = func() (uint64, error) { return p.renumber(ctx) }
	again := func() {
		a.reset(p.number, p.blocks.Clone(), p.keys.Batch(), rec, ids)
		a.of = p.of
		a.add(b)
	}
	if again(); a.astray {
		changed, err := p.recount(ctx, b)
		if err != nil {
			return err
		}
		if changed {
			again()
		}
	}
	if ids.Needed {
		if err := p.reachClickHouse(ctx, "look up ids", func(ctx context.Context) error { return ids.Ask(ctx, p.conn) }); err != nil {
			return err
		}
		if again(); ids.Err != nil {
			return ids.Err
		}
	}
	if a.clash {
		p.log.ErrorContext(ctx, "clickhouse has a different entry at an offset of the batch", slog.Int64("offset", b.first))
		return p.cut(ctx)
	}
	return nil
}

// write inserts the entries, the dead letters, and the rollups, in this order: a watermark of a rollup then says that every
// entry up to it is stored.
func (p *partition) write(ctx context.Context, a *assembly, b *batch) error {
	token := a.token(p.cfg.Topic, b)
	if err := p.insertEntries(ctx, a, b, token); err != nil {
		return err
	}
	if err := p.at(afterEntries); err != nil {
		return err
	}
	if err := p.sendToDeadLetters(ctx, a.dead, token); err != nil {
		return err
	}
	if a.marks(b) {
		if err := p.insertAll(ctx, "by_entity", token, a.entities.Blocks(p.number, b.last, b.records[0].at/dayMillis)); err != nil {
			return err
		}
	}
	if err := p.at(afterEntities); err != nil {
		return err
	}
	if a.counted.kinds > 0 {
		if err := p.insertAll(ctx, "by_kind", token, a.kinds.Blocks(p.number, b.last)); err != nil {
			return err
		}
	}
	return p.at(afterKinds)
}

func (p *partition) insertAll(ctx context.Context, table, token string, blocks []block.Block) error {
	for _, b := range blocks {
		if err := p.insert(ctx, table, token+":"+table, b); err != nil {
			return err
		}
	}
	return nil
}

// insert repeats until the block is stored, ClickHouse refuses its rows as data, or ctx ends.
func (p *partition) insert(ctx context.Context, table, token string, b block.Block) error {
	began := time.Now()
	err := p.reachClickHouse(ctx, "insert into "+table, func(ctx context.Context) error {
		if err := p.sameTables(ctx); err != nil {
			return err
		}
		return p.sink.Insert(ctx, table, token, b)
	})
	if err == nil {
		p.metrics.inserts.WithLabelValues(table).Observe(time.Since(began).Seconds())
	}
	return err
}

func (p *partition) insertEntries(ctx context.Context, a *assembly, b *batch, token string) error {
	rows := a.entries.Rows()
	if rows == 0 {
		return nil
	}
	err := p.insert(ctx, "activity", token, &a.entries)
	if sink.KindOf(err) != sink.KindData {
		return err
	}
	p.log.WarnContext(ctx, "clickhouse refuses rows of a batch", slog.String("batch", token), slog.Any("error", err))
	s := splitter{p: p, a: a, b: b, token: token}
	return s.halve(ctx, 0, rows, err)
}

// maxRejected is the most rows of one batch that ClickHouse may refuse. If there are more, the fault is probably in the table.
const maxRejected = 1000

var errManyRejected = errors.New("ClickHouse refuses too many rows of one batch")

// splitter finds the rows that ClickHouse refuses, sends them to dead letters, and stores the others. A part's token has the places of its
// first and its last row in the log. Row numbers cannot be used: a try after a crash has fewer rows, because the earlier try stored some,
// and ClickHouse would drop other rows under a token that it knows.
type splitter struct {
	p     *partition
	a     *assembly
	b     *batch
	token string
}

// halve splits the rows [from, to), which ClickHouse refused together with the error why, and stores the accepted ones.
func (s *splitter) halve(ctx context.Context, from, to int, why error) error {
	if to-from == 1 {
		return s.reject(ctx, from, why)
	}
	middle := (from + to) / 2
	for _, half := range [...][2]int{{from, middle}, {middle, to}} {
		var e block.Entries
		e.Reset(s.p.number)
		s.a.pick(s.b, half[0], half[1], e.Append)
		err := s.p.insert(ctx, "activity", s.token+":"+span(s.a.entries.Location(half[0]), s.a.entries.Location(half[1]-1)), &e)
		switch {
		case err == nil:
			err = s.p.at(afterPart)
		case sink.KindOf(err) == sink.KindData:
			err = s.halve(ctx, half[0], half[1], err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// span identifies a part by the places of its first and its last row.
func span(first, last block.Location) string {
	return fmt.Sprintf("%d.%d-%d.%d", first.Offset, first.Index, last.Offset, last.Index)
}

func (s *splitter) reject(ctx context.Context, i int, why error) error {
	if s.a.rejected++; s.a.rejected > maxRejected {
		s.p.alarm("rejected", errManyRejected.Error(), slog.Any("error", why))
		pause(ctx, 10*time.Second)
		return errManyRejected
	}
	s.a.pick(s.b, i, i+1, func(row *block.Row) {
		s.a.entities.Add(row, -1)
		s.a.kinds.Add(row, -1)
		s.a.reject(row, why.Error())
		s.a.lost(row.Location)
	})
	s.a.outcomes.stored--
	return nil
}
