package consumer

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// fetchBatch is the records of one fetch.
type fetchBatch struct {
	records []record
	end     int64 // the offset after the partition's last record, as the broker knew it then
	err     error // kafka.OffsetOutOfRange: the partition does not hold the offset
}

// fetcher prefetches one partition's records: at most one fetch batch lies in batches and one is on its way.
type fetcher struct {
	schemakafka.Reader
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
	next, batch.end, err = f.Fetch(ctx, offset, batch.take)
	if err != nil {
		return fetchBatch{}, offset, err
	}
	return batch, next, nil
}

func (f *fetchBatch) take(r *kafka.Record) error {
	value := []byte{} // a dead letter without a value has an empty one
	if r.Value != nil {
		var err error
		if value, err = kafka.ReadAll(r.Value); err != nil {
			return fmt.Errorf("read the value: %w", err)
		}
	}
	f.records = append(f.records, record{offset: r.Offset, at: r.Time.UnixMilli(), value: value})
	return nil
}
