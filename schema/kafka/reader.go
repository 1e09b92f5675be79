package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Reader reads one partition of a topic. It keeps no position: the caller passes the offset to read from.
type Reader struct {
	Client    *kafka.Client
	Topic     string
	Partition int
	MaxBytes  int64         // of one fetch; a single larger record is fetched all the same
	Wait      time.Duration // how long the broker waits for a first byte where there is nothing to read yet
}

// Bounds returns the offset of the first record that the partition still holds, and the offset after its last record.
func (r Reader) Bounds(ctx context.Context) (first, end int64, err error) {
	return r.bounds(ctx, kafka.FirstOffsetOf(r.Partition), kafka.LastOffsetOf(r.Partition))
}

// First returns the offset of the first record that the partition still holds.
func (r Reader) First(ctx context.Context) (int64, error) {
	first, _, err := r.bounds(ctx, kafka.FirstOffsetOf(r.Partition))
	return first, err
}

// End returns the offset after the partition's last record.
func (r Reader) End(ctx context.Context) (int64, error) {
	_, end, err := r.bounds(ctx, kafka.LastOffsetOf(r.Partition))
	return end, err
}

// bounds returns the offsets that wanted asks for; the others are -1.
func (r Reader) bounds(ctx context.Context, wanted ...kafka.OffsetRequest) (first, end int64, err error) {
	var res *kafka.ListOffsetsResponse
	err = overDeadConnections(ctx, func() (err error) {
		res, err = r.Client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{r.Topic: wanted}})
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", r.Topic, r.Partition, err)
	}
	at := res.Topics[r.Topic]
	if len(at) != 1 {
		return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", r.Topic, r.Partition, kafka.UnknownTopicOrPartition)
	}
	if at[0].Error != nil {
		return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", r.Topic, r.Partition, at[0].Error)
	}
	return at[0].FirstOffset, at[0].LastOffset, nil
}

// Fetch reads once from offset on and calls take for each record, by rising offset. It returns the offset to read from next,
// and the offset after the partition's last record as the broker knew it then. After Wait without a record it returns without
// one.
//
// The record's key and value are valid during the call of take only; kafka.ReadAll copies them. An error of take ends the fetch.
// The error is kafka.OffsetOutOfRange where the partition does not hold the offset.
func (r Reader) Fetch(ctx context.Context, offset int64, take func(*kafka.Record) error) (next, end int64, err error) {
	res, err := r.Client.Fetch(ctx, &kafka.FetchRequest{
		Topic: r.Topic, Partition: r.Partition, Offset: offset, MinBytes: 1, MaxBytes: r.MaxBytes, MaxWait: r.Wait,
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return offset, 0, fmt.Errorf("fetch %s/%d from %d: %w", r.Topic, r.Partition, offset, err)
	}
	next, err = read(res.Records, offset, take)
	if err != nil {
		return offset, 0, fmt.Errorf("read %s/%d from %d: %w", r.Topic, r.Partition, offset, err)
	}
	// A batch may have no record for us: a transaction marker, or a batch that compaction has emptied. It has offsets all the same: without
	// a step past it, every following fetch would return it again.
	if stream, ok := res.Records.(*protocol.RecordStream); ok && next == offset && len(stream.Records) > 0 && offset < res.HighWatermark {
		next = offset + 1
	}
	return next, res.HighWatermark, nil
}

// read skips records below offset: a broker sends whole batches, which may begin earlier.
func read(records kafka.RecordReader, offset int64, take func(*kafka.Record) error) (next int64, err error) {
	for next = offset; ; {
		r, err := records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return next, nil
		}
		if err != nil {
			return offset, fmt.Errorf("read a record: %w", err)
		}
		if r.Offset >= offset {
			err = take(r)
			next = r.Offset + 1
		}
		for _, b := range [...]kafka.Bytes{r.Key, r.Value} {
			if b != nil {
				_ = b.Close() // releases its memory, and never fails
			}
		}
		if err != nil {
			return offset, fmt.Errorf("take the record at %d: %w", r.Offset, err)
		}
	}
}
