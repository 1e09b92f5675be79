package apikey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

const fetchBytes = 1 << 20

// Topic is the topic of keys.
type Topic struct {
	Client *kafka.Client
	Name   string
}

// Put appends k. It returns when all in-sync replicas have it.
func (t Topic) Put(ctx context.Context, k Key) error {
	if err := k.Validate(); err != nil {
		return err
	}
	value, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("write a key: %w", err)
	}
	res, err := t.Client.Produce(ctx, &kafka.ProduceRequest{
		Topic: t.Name, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Key: kafka.NewBytes([]byte(k.ID)), Value: kafka.NewBytes(value)}),
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return fmt.Errorf("append a key to %s: %w", t.Name, err)
	}
	return nil
}

// All are the keys that there are, the oldest first.
func (t Topic) All(ctx context.Context) ([]Key, error) {
	offset, err := t.first(ctx)
	if err != nil {
		return nil, err
	}
	keys := map[string]Key{}
	for {
		p, err := t.fetch(ctx, offset, 10*time.Millisecond)
		if err != nil {
			return nil, err
		}
		for _, r := range p.records {
			if k, err := decode(r.id, r.value); err == nil {
				keys[r.id] = k
			} else {
				delete(keys, r.id)
			}
		}
		if offset = p.next; offset >= p.end {
			break
		}
	}
	return slices.SortedFunc(maps.Values(keys), func(a, b Key) int { return a.Created.Compare(b.Created) }), nil
}

// first is the topic's first offset.
func (t Topic) first(ctx context.Context) (int64, error) {
	res, err := t.Client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{t.Name: {kafka.FirstOffsetOf(0)}}})
	if err != nil {
		return 0, fmt.Errorf("find the beginning of %s: %w", t.Name, err)
	}
	at := res.Topics[t.Name]
	if len(at) != 1 {
		return 0, fmt.Errorf("find the beginning of %s: %w", t.Name, kafka.UnknownTopicOrPartition)
	}
	if at[0].Error != nil {
		return 0, fmt.Errorf("find the beginning of %s: %w", t.Name, at[0].Error)
	}
	return at[0].FirstOffset, nil
}

type record struct {
	id    string
	value []byte // empty: the key was taken out
}

// page is what one fetch gave: next is the offset to go on from, end the log's.
type page struct {
	records   []record
	next, end int64
}

// fetch reads from offset on; where there is nothing, it waits that long for something.
func (t Topic) fetch(ctx context.Context, offset int64, wait time.Duration) (page, error) {
	res, err := t.Client.Fetch(ctx, &kafka.FetchRequest{Topic: t.Name, Offset: offset, MinBytes: 1, MaxBytes: fetchBytes, MaxWait: wait})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return page{}, fmt.Errorf("fetch %s from %d: %w", t.Name, offset, err)
	}
	p := page{next: offset, end: res.HighWatermark}
	for {
		r, err := res.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = p.take(r, offset)
		}
		if err != nil {
			return page{}, fmt.Errorf("read %s from %d: %w", t.Name, offset, err)
		}
	}
	// A batch whose records have all been compacted away, or that is a transaction's end, holds nothing and takes up offsets.
	if stream, ok := res.Records.(*protocol.RecordStream); ok && p.next == offset && len(stream.Records) > 0 && offset < p.end {
		p.next = offset + 1
	}
	return p, nil
}

// take adds a record, unless it is one before offset that came along with its batch.
func (p *page) take(r *kafka.Record, offset int64) error {
	id, err := readAll(r.Key)
	if err != nil {
		return fmt.Errorf("read the key at %d: %w", r.Offset, err)
	}
	value, err := readAll(r.Value)
	if err != nil {
		return fmt.Errorf("read the value at %d: %w", r.Offset, err)
	}
	if r.Offset >= offset {
		p.records = append(p.records, record{string(id), value})
		p.next = r.Offset + 1
	}
	return nil
}

func readAll(b kafka.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	defer b.Close()
	return protocol.ReadAll(b)
}
