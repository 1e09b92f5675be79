package query

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// ends are the offsets after the last record of each partition: everything acknowledged so far lies before them.
func (s *Store) ends(ctx context.Context) (schema.Position, error) {
	n, err := schemakafka.Partitions(ctx, s.kafka, s.cfg.Topic)
	if err != nil {
		return nil, away(ctx, err)
	}
	return s.offsets(ctx, n, kafka.LastOffset)
}

// offsets are those of n partitions at kafka.FirstOffset or kafka.LastOffset.
func (s *Store) offsets(ctx context.Context, n int, which int64) (schema.Position, error) {
	ask := make([]kafka.OffsetRequest, n)
	for i := range ask {
		ask[i] = kafka.OffsetRequest{Partition: i, Timestamp: which}
	}
	res, err := s.kafka.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{s.cfg.Topic: ask}})
	if err != nil {
		return nil, away(ctx, fmt.Errorf("list offsets: %w", err))
	}
	at := schema.Position{}
	for _, p := range res.Topics[s.cfg.Topic] {
		if p.Error != nil {
			return nil, away(ctx, fmt.Errorf("list offsets of partition %d: %w", p.Partition, p.Error))
		}
		at[p.Partition] = p.LastOffset
		if which == kafka.FirstOffset {
			at[p.Partition] = p.FirstOffset
		}
	}
	if len(at) != n {
		return nil, away(ctx, fmt.Errorf("list offsets: %d partitions of %d answered", len(at), n))
	}
	return at, nil
}

// settled waits until everything before ends has been stored. A partition without records has nothing to wait for, and
// perhaps no committed offset.
func (s *Store) settled(ctx context.Context, ends schema.Position) error {
	starts, err := s.offsets(ctx, len(ends), kafka.FirstOffset)
	if err != nil {
		return err
	}
	wanted := schema.Position{}
	for partition, end := range ends {
		if end > starts[partition] {
			wanted[partition] = end - 1
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	return s.stored.wait(ctx, wanted)
}

// away is the kind of an error of Kafka before anything was published.
func away(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	return fmt.Errorf("%w: kafka: %w", schema.ErrUnavailable, err)
}
