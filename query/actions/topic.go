package actions

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// fetchWait is how long the broker waits for a first byte. Fetches are made only where there is one.
const (
	fetchWait  = 100 * time.Millisecond
	fetchBytes = 1 << 20
)

// namesTopic is the topic of action names, which has one partition. A record's key is the tenant that was the first to show the
// name, its value the name.
type namesTopic struct {
	schemakafka.Reader
	first int64 // of the log: the code at Kafka's offset 0
}

type namedRecord struct {
	offset       int64 // from first on
	tenant, name string
}

func newNamesTopic(client *kafka.Client, name string) namesTopic {
	return namesTopic{Reader: schemakafka.Reader{Client: client, Topic: name, MaxBytes: fetchBytes, Wait: fetchWait}}
}

// start returns the offset of the first record that remains, end the offset after the last one.
func (t *namesTopic) start(ctx context.Context) (int64, error) {
	offset, err := t.First(ctx)
	return t.first + offset, err
}

func (t *namesTopic) end(ctx context.Context) (int64, error) {
	offset, err := t.End(ctx)
	return t.first + offset, err
}

// fetch returns some records from offset on, and the offset after them.
func (t *namesTopic) fetch(ctx context.Context, offset int64) (records []namedRecord, next int64, err error) {
	next, _, err = t.Fetch(ctx, offset-t.first, func(r *kafka.Record) error {
		tenant, err := kafka.ReadAll(r.Key)
		if err != nil {
			return err
		}
		name, err := kafka.ReadAll(r.Value)
		records = append(records, namedRecord{t.first + r.Offset, string(tenant), string(name)})
		return err
	})
	return records, t.first + next, err
}

// append adds the actions' names and returns the offset of the last.
func (t *namesTopic) append(ctx context.Context, entries []schema.Entry) (last int64, err error) {
	records := make([]kafka.Record, len(entries))
	for i, e := range entries {
		records[i] = kafka.Record{Time: time.Now(), Key: kafka.NewBytes([]byte(e.Tenant)), Value: kafka.NewBytes([]byte(e.Action))}
	}
	res, err := t.Client.Produce(ctx, &kafka.ProduceRequest{Topic: t.Topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...)})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return 0, fmt.Errorf("append to %s: %w", t.Topic, err)
	}
	return t.first + res.BaseOffset + int64(len(records)) - 1, nil
}
