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
type namesTopic struct{ schemakafka.Reader }

type namedRecord struct {
	offset       int64
	tenant, name string
}

func newNamesTopic(client *kafka.Client, name string) namesTopic {
	return namesTopic{schemakafka.Reader{Client: client, Topic: name, MaxBytes: fetchBytes, Wait: fetchWait}}
}

// fetch returns some records from offset on, and the offset after them.
func (t namesTopic) fetch(ctx context.Context, offset int64) (records []namedRecord, next int64, err error) {
	next, _, err = t.Fetch(ctx, offset, func(r *kafka.Record) error {
		tenant, err := kafka.ReadAll(r.Key)
		if err != nil {
			return err
		}
		name, err := kafka.ReadAll(r.Value)
		records = append(records, namedRecord{r.Offset, string(tenant), string(name)})
		return err
	})
	return records, next, err
}

// append adds the actions' names and returns the offset of the last.
func (t namesTopic) append(ctx context.Context, entries []schema.Entry) (last int64, err error) {
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
	return res.BaseOffset + int64(len(records)) - 1, nil
}
