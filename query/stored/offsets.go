package stored

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Ends returns the offset after the last record of each partition: everything acknowledged so far lies before it.
func (p *Progress) Ends(ctx context.Context) (schema.Position, error) {
	n, err := schemakafka.Partitions(ctx, p.kafka, p.cfg.Topic)
	if err != nil {
		return nil, Fault(ctx, err)
	}
	return p.offsets(ctx, n, kafka.LastOffset)
}

// offsets returns the first or the last offsets of n partitions, for kafka.FirstOffset or kafka.LastOffset.
func (p *Progress) offsets(ctx context.Context, n int, which int64) (schema.Position, error) {
	at, err := p.kafkaOffsets(ctx, n, which)
	if err != nil {
		return nil, err
	}
	log, err := p.Log(ctx)
	if err != nil {
		return nil, err
	}
	for partition, offset := range at {
		at[partition] = log.Absolute(partition, offset)
	}
	return at, nil
}

// kafkaOffsets is offsets with Kafka's own offsets.
func (p *Progress) kafkaOffsets(ctx context.Context, n int, which int64) (schema.Position, error) {
	ask := make([]kafka.OffsetRequest, n)
	for i := range ask {
		ask[i] = kafka.OffsetRequest{Partition: i, Timestamp: which}
	}
	res, err := p.kafka.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{p.cfg.Topic: ask}})
	if err != nil {
		return nil, Fault(ctx, fmt.Errorf("list offsets: %w", err))
	}
	at := schema.Position{}
	for _, o := range res.Topics[p.cfg.Topic] {
		if o.Error != nil {
			return nil, Fault(ctx, fmt.Errorf("list offsets of partition %d: %w", o.Partition, o.Error))
		}
		at[o.Partition] = o.LastOffset
		if which == kafka.FirstOffset {
			at[o.Partition] = o.FirstOffset
		}
	}
	if len(at) != n {
		return nil, Fault(ctx, fmt.Errorf("list offsets: %d partitions of %d answered", len(at), n))
	}
	return at, nil
}

// WaitBefore waits until everything before ends has been stored. A partition without records has nothing to wait for, and
// perhaps no committed offset.
func (p *Progress) WaitBefore(ctx context.Context, ends schema.Position) error {
	wanted, err := p.lastOf(ctx, ends)
	if err != nil {
		return err
	}
	return p.Wait(ctx, wanted)
}

// lastOf returns the offset of the last record of each partition that has records; ends are the offsets after them.
func (p *Progress) lastOf(ctx context.Context, ends schema.Position) (schema.Position, error) {
	starts, err := p.offsets(ctx, len(ends), kafka.FirstOffset)
	if err != nil {
		return nil, err
	}
	last := schema.Position{}
	for partition, end := range ends {
		if end > starts[partition] {
			last[partition] = end - 1
		}
	}
	return last, nil
}
