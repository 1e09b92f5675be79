package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// bury puts letters into the table dead_letters, each once however often its batch is replayed, and then into the topic of
// dead records, at least once.
func (p *partition) bury(ctx context.Context, letters []letter, token string) error {
	for part := range slices.Chunk(letters, 1000) {
		if err := p.buryInTable(ctx, part, fmt.Sprintf("%s:dead:%d.%d", token, part[0].place.Offset, part[0].place.Index)); err != nil {
			return err
		}
		if err := p.buryInTopic(ctx, part); err != nil {
			return err
		}
		p.metrics.dead.Add(float64(len(part)))
		p.log.WarnContext(ctx, "could not be stored", "entries", len(part), "first offset", part[0].place.Offset, "reason", part[0].reason)
	}
	return nil
}

func (p *partition) buryInTable(ctx context.Context, letters []letter, token string) error {
	byOffset := func(a, b letter) int { return cmp.Compare(a.place.Offset, b.place.Offset) }
	first, last := slices.MinFunc(letters, byOffset), slices.MaxFunc(letters, byOffset)
	buried, err := p.lookUpDead(ctx, first.place.Offset, last.place.Offset)
	if err != nil {
		return err
	}
	graves := &graves{}
	now := proto.DateTime64(time.Now().UnixMilli())
	for _, l := range letters {
		if !buried[l.place] {
			graves.append(p.number, l, now)
		}
	}
	if graves.Rows() == 0 {
		return nil
	}
	return p.insert(ctx, "dead_letters", token, graves)
}

// lookUpDead says what of the offsets has been put into the table before, under another batch's token.
func (p *partition) lookUpDead(ctx context.Context, from, to int64) (map[block.Place]bool, error) {
	found := map[block.Place]bool{}
	const query = "SELECT koff, kidx FROM dead_letters WHERE kpart = ? AND koff BETWEEN ? AND ?"
	return found, p.persist(ctx, "look up dead letters", func(ctx context.Context) error {
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
			found[block.Place{Offset: int64(offset), Index: index}] = true
		}
		return rows.Err()
	})
}

// buryInTopic sends the letters one by one: a broker may refuse one for its size, which the table has taken all the same.
func (p *partition) buryInTopic(ctx context.Context, letters []letter) error {
	for _, l := range letters {
		err := p.reach(ctx, "send a dead letter", func(ctx context.Context) error {
			res, err := p.client.Produce(ctx, &kafka.ProduceRequest{
				Topic: schemakafka.Dead(p.cfg.Topic), Partition: 0, RequiredAcks: kafka.RequireAll,
				Records: kafka.NewRecordReader(p.deadRecord(l)),
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

func (p *partition) deadRecord(l letter) kafka.Record {
	return kafka.Record{Value: kafka.NewBytes(l.value), Headers: []kafka.Header{
		{Key: "reason", Value: []byte(l.reason)},
		{Key: "partition", Value: strconv.AppendInt(nil, int64(p.number), 10)},
		{Key: "offset", Value: strconv.AppendInt(nil, l.place.Offset, 10)},
		{Key: "index", Value: strconv.AppendInt(nil, int64(l.place.Index), 10)},
	}}
}

// graves is a block of the table dead_letters.
type graves struct {
	part, index   proto.ColUInt16
	offset        proto.ColUInt64
	at            proto.ColDateTime64
	reason, value proto.ColStr
}

func (g *graves) append(partition int, l letter, now proto.DateTime64) {
	g.part.Append(uint16(partition))
	g.offset.Append(uint64(l.place.Offset))
	g.index.Append(l.place.Index)
	g.at.AppendRaw(now)
	g.reason.Append(l.reason)
	g.value.AppendBytes(l.value)
}

func (g *graves) Rows() int { return len(g.part) }

func (g *graves) Columns() proto.Input {
	g.at.WithPrecision(proto.PrecisionMilli)
	return proto.Input{
		{Name: "kpart", Data: g.part},
		{Name: "koff", Data: g.offset},
		{Name: "kidx", Data: g.index},
		{Name: "at", Data: g.at},
		{Name: "reason", Data: g.reason},
		{Name: "value", Data: g.value},
	}
}
