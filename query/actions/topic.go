package actions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/activitylog/activitylog/schema"
)

// topicReader reads and appends to the topic of action names, which has one partition. A record's key is the tenant that was
// the first to show the name, its value the name.
type topicReader struct {
	client *kafka.Client
	name   string
}

type namedRecord struct {
	offset       int64
	tenant, name string
}

// fetchWait is how long the broker waits for a first byte; fetches are made only where there is one.
const (
	fetchWait  = 100 * time.Millisecond
	fetchBytes = 1 << 20
)

// end is the offset after the last record.
func (t topicReader) end(ctx context.Context) (int64, error) { return t.offset(ctx, kafka.LastOffset) }

// start is the offset of the first record that is still there.
func (t topicReader) start(ctx context.Context) (int64, error) {
	return t.offset(ctx, kafka.FirstOffset)
}

func (t topicReader) offset(ctx context.Context, which int64) (int64, error) {
	asked := kafka.OffsetRequest{Partition: 0, Timestamp: which}
	res, err := t.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{t.name: {asked}}})
	if err != nil {
		return 0, fmt.Errorf("list offsets of %s: %w", t.name, err)
	}
	answered := res.Topics[t.name]
	if len(answered) == 0 {
		return 0, fmt.Errorf("list offsets of %s: %w", t.name, kafka.UnknownTopicOrPartition)
	}
	p := answered[0]
	if p.Error != nil {
		return 0, fmt.Errorf("list offsets of %s: %w", t.name, p.Error)
	}
	return max(p.FirstOffset, p.LastOffset), nil // the one that was not asked for is -1
}

// append adds the actions' names and returns the offset of the last.
func (t topicReader) append(ctx context.Context, entries []schema.Entry) (last int64, err error) {
	records := make([]kafka.Record, len(entries))
	for i, e := range entries {
		records[i] = kafka.Record{Time: time.Now(), Key: kafka.NewBytes([]byte(e.Tenant)), Value: kafka.NewBytes([]byte(e.Action))}
	}
	res, err := t.client.Produce(ctx, &kafka.ProduceRequest{Topic: t.name, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...)})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return 0, fmt.Errorf("append to %s: %w", t.name, err)
	}
	return res.BaseOffset + int64(len(records)) - 1, nil
}

// fetch gives some records from offset on, and the offset after them.
func (t topicReader) fetch(ctx context.Context, offset int64) (records []namedRecord, next int64, err error) {
	res, err := t.client.Fetch(ctx, &kafka.FetchRequest{Topic: t.name, Offset: offset, MinBytes: 1, MaxBytes: fetchBytes, MaxWait: fetchWait})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return nil, offset, fmt.Errorf("fetch %s from %d: %w", t.name, offset, err)
	}
	next = offset
	for {
		r, err := res.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, offset, fmt.Errorf("read %s from %d: %w", t.name, offset, err)
		}
		tenant, name, err := textOf(r)
		if err != nil {
			return nil, offset, fmt.Errorf("read %s at %d: %w", t.name, r.Offset, err)
		}
		if r.Offset < offset {
			continue // a broker sends whole batches
		}
		records, next = append(records, namedRecord{r.Offset, tenant, name}), r.Offset+1
	}
	// A batch that holds no record for us, such as a transaction's end, takes up an offset, too.
	if stream, ok := res.Records.(*protocol.RecordStream); ok && next == offset && len(stream.Records) > 0 && offset < res.HighWatermark {
		next = offset + 1
	}
	return records, next, nil
}

// textOf is a record's key and value.
func textOf(r *kafka.Record) (key, value string, err error) {
	var text [2]string
	for i, b := range [...]kafka.Bytes{r.Key, r.Value} {
		if b == nil {
			continue
		}
		all, err := kafka.ReadAll(b)
		_ = b.Close()
		if err != nil {
			return "", "", err
		}
		text[i] = string(all)
	}
	return text[0], text[1], nil
}
