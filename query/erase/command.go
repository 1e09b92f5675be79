package erase

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// erasure is one request to erase. Each affected partition gets one command.
type erasure struct {
	id      uuid.UUID
	by      schema.Principal
	what    string
	log     *schemakafka.Log // that the offsets are of
	before  schema.Position  // it takes what lies before these offsets
	entries uint64           // visible ones, as counted when it was asked for
	refs    []*activitypb.Ref
	match   *activitypb.Match
	counted bool // the consumer must store how many entries each command removes
	at      time.Time
}

func newErasure(log *schemakafka.Log, p schema.Principal, what string) *erasure {
	return &erasure{id: uuid.New(), log: log, by: p, what: what, at: time.Now()}
}

// commandID returns the id of a partition's command. Each command has its own, because the id is the token of its correction of the
// rollups.
func (x *erasure) commandID(partition int) uuid.UUID {
	return uuid.NewSHA1(x.id, strconv.AppendInt(nil, int64(partition), 10))
}

// command returns the record value that erases matching entries before the offset.
func (x *erasure) command(partition int, before int64) ([]byte, error) {
	id := x.commandID(partition)
	return schema.AppendCommand(nil, &activitypb.Command{
		Id: id[:], Tenant: x.by.Tenant, Before: before, Refs: x.refs, Match: x.match, Counted: x.counted,
		IssuedAt: x.at.UnixMilli(), IssuedBy: x.by.Subject,
	})
}

// maxPublishers bounds the partitions that get their commands at once.
const maxPublishers = 16

// publishPause is the pause between two tries to publish.
const publishPause = 50 * time.Millisecond

// publisher appends to the entries' topic.
type publisher struct {
	client *kafka.Client
	topic  string
}

// issue publishes the commands of x, all at once, and returns their offsets.
func (p publisher) issue(ctx context.Context, x *erasure) (schema.Position, error) {
	issued := schema.Position{}
	var mu sync.Mutex // guards issued
	var all errgroup.Group
	all.SetLimit(maxPublishers)
	for partition, end := range x.before {
		if end == 0 {
			continue // nothing was ever acknowledged in that partition
		}
		all.Go(func() error {
			value, err := x.command(partition, end)
			if err != nil {
				return err
			}
			offset, err := p.publish(ctx, partition, value)
			mu.Lock()
			defer mu.Unlock()
			issued[partition] = x.log.Absolute(partition, offset)
			return err
		})
	}
	return issued, all.Wait()
}

// publish appends value to the partition and returns Kafka's offset. It sends the same bytes until they are acknowledged or ctx
// ends: a command that arrives twice is applied once.
func (p publisher) publish(ctx context.Context, partition int, value []byte) (int64, error) {
	var failure error
	offset, err := backoff.Retry(ctx, func() (offset int64, err error) {
		offset, err = p.produce(ctx, partition, value)
		failure = err
		return offset, err
	}, backoff.WithBackOff(backoff.NewConstantBackOff(publishPause)), backoff.WithMaxElapsedTime(0))
	switch {
	case err == nil:
		return offset, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return 0, context.Canceled
	}
	return 0, fmt.Errorf("%w: publish a command: %w", schema.ErrTimeout, failure)
}

func (p publisher) produce(ctx context.Context, partition int, value []byte) (int64, error) {
	res, err := p.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: p.topic, Partition: partition, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Value: kafka.NewBytes(value)}),
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return 0, err
	}
	return res.BaseOffset, nil
}
