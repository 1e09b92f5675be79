package testbed

import (
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
)

// ProduceAged produces an entry of the tenant that was received days ago to partition 0, and returns its offset.
func ProduceAged(t testing.TB, client *kafka.Client, topic, tenant string, id uint64, days int) int64 {
	t.Helper()
	var c schema.Chunk
	c.Reset(tenant, time.Now().AddDate(0, 0, -days).UnixMilli())
	e := schema.Entry{
		Timestamp: 1_760_000_000_000 + int64(id), Action: "post", Platform: "p", Device: "d", ActorID: "u", Detail: fmt.Sprintf("words %d", id),
	}
	c.Add(&e, nil)
	c.Seal(id)
	res, err := client.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: topic, Partition: 0, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Value: kafka.NewBytes(schema.AppendChunk(schema.AppendRecordHeader(nil), &c))}),
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		t.Fatal(err)
	}
	return res.BaseOffset
}
