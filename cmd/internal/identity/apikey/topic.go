package apikey

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	schemakafka "github.com/activitylog/activitylog/schema/kafka"
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

// All returns all keys, the oldest first; keys of the same second are in the order of their ids.
func (t Topic) All(ctx context.Context) ([]Key, error) {
	reader := t.reader(10 * time.Millisecond)
	offset, err := reader.First(ctx)
	if err != nil {
		return nil, err
	}
	keys := map[string]Key{}
	for end := int64(math.MaxInt64); offset < end; {
		var records []record
		if records, offset, end, err = fetch(ctx, reader, offset); err != nil {
			return nil, err
		}
		for _, r := range records {
			if k, err := decode(r.id, r.value); err == nil {
				keys[r.id] = k
			} else {
				delete(keys, r.id)
			}
		}
	}
	return slices.SortedFunc(maps.Values(keys), func(a, b Key) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	}), nil
}

// reader returns a reader of the topic that waits up to wait for a record.
func (t Topic) reader(wait time.Duration) schemakafka.Reader {
	return schemakafka.Reader{Client: t.Client, Topic: t.Name, MaxBytes: fetchBytes, Wait: wait}
}

type record struct {
	id    string
	value []byte // empty: the key was removed
}

// fetch reads some records from offset on. It returns the offset to go on from, and the topic's end.
func fetch(ctx context.Context, from schemakafka.Reader, offset int64) (records []record, next, end int64, err error) {
	next, end, err = from.Fetch(ctx, offset, func(r *kafka.Record) error {
		id, err := kafka.ReadAll(r.Key)
		if err != nil {
			return fmt.Errorf("read the key: %w", err)
		}
		value, err := kafka.ReadAll(r.Value)
		if err != nil {
			return fmt.Errorf("read the value: %w", err)
		}
		records = append(records, record{string(id), value})
		return nil
	})
	return records, next, end, err
}
