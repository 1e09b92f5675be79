package consumer

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// fetchBatch has the records of one fetch.
type fetchBatch struct {
	records []record
	end     int64 // the offset after the partition's last record, as the broker knew it then
	err     error // kafka.OffsetOutOfRange: the partition does not hold the offset
}

// fetcher prefetches one partition's records: at most one fetch batch waits in batches and one is in flight. Its offsets are absolute:
// Kafka's are known to the Reader alone.
type fetcher struct {
	schemakafka.Reader
	source  *schemakafka.Log
	report  func(error) // called with the error of every fetch that failed, and with nil when one succeeds
	batches chan fetchBatch
}

// run fetches from offset on until ctx ends or the partition does not hold the offset.
func (f *fetcher) run(ctx context.Context, offset int64) {
	defer close(f.batches)
	wait := newBackOff()
	wait.Reset()
	for ctx.Err() == nil {
		batch, next, err := f.fetch(ctx, offset)
		if errors.Is(err, kafka.OffsetOutOfRange) {
			batch = fetchBatch{err: err}
		} else if err != nil {
			if ctx.Err() == nil {
				f.report(err)
			}
			pause(ctx, wait.NextBackOff())
			continue
		}
		f.report(nil)
		wait.Reset()
		offset = next
		if len(batch.records) == 0 && batch.err == nil {
			continue
		}
		select {
		case f.batches <- batch:
		case <-ctx.Done():
		}
		if batch.err != nil {
			return
		}
	}
}

// fetch reads the records from offset on, and returns the offset after them.
func (f *fetcher) fetch(ctx context.Context, offset int64) (batch fetchBatch, next int64, err error) {
	own, ok := f.source.Offset(f.Partition, offset)
	if !ok {
		return fetchBatch{}, offset, kafka.OffsetOutOfRange
	}
	ownNext, end, err := f.Fetch(ctx, own, func(r *kafka.Record) error {
		return batch.take(r, f.source.Absolute(f.Partition, r.Offset))
	})
	if err != nil {
		return fetchBatch{}, offset, err
	}
	batch.end = f.source.Absolute(f.Partition, end)
	return batch, f.source.Absolute(f.Partition, ownNext), nil
}

// bounds returns the offset of the first record that the partition still holds, and the offset after its last record.
func (f *fetcher) bounds(ctx context.Context) (start, end int64, err error) {
	start, end, err = f.Bounds(ctx)
	return f.source.Absolute(f.Partition, start), f.source.Absolute(f.Partition, end), err
}

// between returns the number of Kafka's offsets in the range [from, to).
func (f *fetcher) between(from, to int64) int64 {
	first, ok1 := f.source.Offset(f.Partition, from)
	end, ok2 := f.source.Offset(f.Partition, to)
	if !ok1 || !ok2 {
		return 0
	}
	return max(0, end-first)
}

func (f *fetchBatch) take(r *kafka.Record, offset int64) error {
	value := []byte{} // a dead letter without a value has an empty one
	if r.Value != nil {
		var err error
		if value, err = kafka.ReadAll(r.Value); err != nil {
			return fmt.Errorf("read the value: %w", err)
		}
	}
	f.records = append(f.records, record{offset: offset, at: r.Time.UnixMilli(), value: value})
	return nil
}
