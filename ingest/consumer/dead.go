package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// sendToDeadLetters puts dead letters into the table dead_letters, each once however often its batch is replayed, and then
// into the topic of dead letters, each at least once.
func (p *partition) sendToDeadLetters(ctx context.Context, all []deadLetter, token string) error {
	for dead := range slices.Chunk(all, 1000) {
		first := dead[0]
		if err := p.insertDead(ctx, dead, fmt.Sprintf("%s:dead:%d.%d", token, first.location.Offset, first.location.Index)); err != nil {
			return err
		}
		if err := p.produceDead(ctx, dead); err != nil {
			return err
		}
		p.metrics.dead.Add(float64(len(dead)))
		p.log.WarnContext(ctx, "entries sent to dead letters",
			slog.Int("entries", len(dead)), slog.Int64("first_offset", first.location.Offset), slog.String("reason", first.reason))
	}
	return nil
}

// insertDead inserts those that the table does not have yet.
func (p *partition) insertDead(ctx context.Context, dead []deadLetter, token string) error {
	byOffset := func(a, b deadLetter) int { return cmp.Compare(a.location.Offset, b.location.Offset) }
	first, last := slices.MinFunc(dead, byOffset), slices.MaxFunc(dead, byOffset)
	present, err := p.lookUpDead(ctx, first.location.Offset, last.location.Offset)
	if err != nil {
		return err
	}
	rows := &deadBlock{}
	now := proto.DateTime64(time.Now().UnixMilli())
	for _, d := range dead {
		if !present[d.location] {
			rows.append(p.number, d, now)
		}
	}
	if rows.Rows() == 0 {
		return nil
	}
	return p.insert(ctx, "dead_letters", token, rows)
}

// lookUpDead returns which locations of the offsets the table has already: another batch's token does not stop a second insert.
func (p *partition) lookUpDead(ctx context.Context, from, to int64) (map[block.Location]bool, error) {
	found := map[block.Location]bool{}
	const query = "SELECT koff, kidx FROM dead_letters WHERE kpart = ? AND koff BETWEEN ? AND ?"
	return found, p.reachClickHouse(ctx, "look up dead letters", func(ctx context.Context) error {
		rows, err := p.conn.Query(ctx, query, p.number, from, to)
		if err != nil {
			return fmt.Errorf("look up dead letters: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var offset uint64
			var index uint16
			if err := rows.Scan(&offset, &index); err != nil {
				return fmt.Errorf("read dead letters: %w", err)
			}
			found[block.Location{Offset: int64(offset), Index: index}] = true
		}
		return rows.Err()
	})
}

// produceDead produces dead letters one by one: a broker may refuse one for its size, which the table has accepted.
func (p *partition) produceDead(ctx context.Context, dead []deadLetter) error {
	for _, d := range dead {
		err := p.reachKafka(ctx, "send a dead letter", func(ctx context.Context) error {
			res, err := p.client.Produce(ctx, &kafka.ProduceRequest{
				Topic: schemakafka.Dead(p.cfg.Topic), Partition: 0, RequiredAcks: kafka.RequireAll,
				Records: kafka.NewRecordReader(p.recordOf(d)),
			})
			if err == nil {
				err = res.Error
			}
			if errors.Is(err, kafka.MessageSizeTooLarge) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *partition) recordOf(d deadLetter) kafka.Record {
	return kafka.Record{Value: kafka.NewBytes(d.value), Headers: []kafka.Header{
		{Key: "reason", Value: []byte(d.reason)},
		{Key: "partition", Value: strconv.AppendInt(nil, int64(p.number), 10)},
		{Key: "offset", Value: strconv.AppendInt(nil, d.location.Offset, 10)},
		{Key: "index", Value: strconv.AppendInt(nil, int64(d.location.Index), 10)},
	}}
}

// deadBlock is a block of the table dead_letters.
type deadBlock struct {
	part, index   proto.ColUInt16
	offset        proto.ColUInt64
	at            proto.ColDateTime64
	reason, value proto.ColStr
}

func (b *deadBlock) append(partition int, d deadLetter, now proto.DateTime64) {
	b.part.Append(uint16(partition))
	b.offset.Append(uint64(d.location.Offset))
	b.index.Append(d.location.Index)
	b.at.AppendRaw(now)
	b.reason.Append(d.reason)
	b.value.AppendBytes(d.value)
}

func (b *deadBlock) Rows() int { return len(b.part) }

func (b *deadBlock) Columns() proto.Input {
	b.at.WithPrecision(proto.PrecisionMilli)
	return proto.Input{
		{Name: "kpart", Data: b.part},
		{Name: "koff", Data: b.offset},
		{Name: "kidx", Data: b.index},
		{Name: "at", Data: b.at},
		{Name: "reason", Data: b.reason},
		{Name: "value", Data: b.value},
	}
}
