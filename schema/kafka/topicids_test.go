package kafka_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// A topic keeps its id for as long as it exists, whatever becomes of its broker; one that is recreated has another.
func TestTopicIDs(t *testing.T) {
	broker := testbed.Kafka(t, 3)
	entries, ids := broker.Topic(), schemakafka.IDs(broker.Topic())
	first := topicIDs(t, broker.Client(), entries, ids, "nobody-made-this")
	if len(first) != 2 || first[entries] == first[ids] {
		t.Fatalf("got %v, want two different ids", first)
	}
	for name, id := range first {
		if u, err := uuid.Parse(id); err != nil || u == uuid.Nil {
			t.Errorf("%s: got the id %q, want a UUID", name, id)
		}
	}
	broker.Stop()
	broker.Start()
	if got := topicIDs(t, broker.Client(), entries, ids); got[entries] != first[entries] || got[ids] != first[ids] {
		t.Errorf("got %v after a restart, want still %v", got, first)
	}
	broker.DeleteTopic(ids)
	broker.CreateTopics()
	if got := topicIDs(t, broker.Client(), entries, ids); got[entries] != first[entries] || got[ids] == first[ids] {
		t.Errorf("got %v after %s was recreated, before %v", got, ids, first)
	}
}

func topicIDs(t *testing.T, client *kafka.Client, names ...string) map[string]string {
	t.Helper()
	got, err := schemakafka.TopicIDs(t.Context(), client, names...)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
