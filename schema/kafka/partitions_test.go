package kafka_test

import (
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

func TestPartitionsNowKnowsThoseThatWereJustAdded(t *testing.T) {
	b := testbed.Kafka(t, 2)
	tr := b.Transport()
	tr.MetadataTTL = time.Hour
	client := b.Client()
	client.Transport = tr
	for _, want := range []int{2, 3, 7} {
		if want > 2 {
			res, err := client.CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{
				Topics: []kafka.TopicPartitionsConfig{{Name: b.Topic(), Count: int32(want)}},
			})
			if err != nil || res.Errors[b.Topic()] != nil {
				t.Fatal(err, res)
			}
		}
		if got, err := schemakafka.PartitionsNow(t.Context(), client, b.Topic()); err != nil || got != want {
			t.Errorf("got %d partitions, %v, want %d", got, err, want)
		}
	}
	if got, err := schemakafka.PartitionsNow(t.Context(), client, "missing"); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("a missing topic: got %d partitions, %v, want %v", got, err, kafka.UnknownTopicOrPartition)
	}
}
