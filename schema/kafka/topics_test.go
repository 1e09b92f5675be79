package kafka_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// TestNames: installations and the alert rules of their operators use these names.
func TestNames(t *testing.T) {
	got := []string{schemakafka.Group("activity"), schemakafka.IDs("activity"), schemakafka.Dead("activity"), schemakafka.Keys("activity"), schemakafka.LogTopic("activity"), schemakafka.Nudges("activity")}
	if want := []string{"activity.store", "activity.ids", "activity.dead", "activity.keys", "activity.log", "activity.nudges"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCreate(t *testing.T) {
	client := testbed.Kafka(t, 2).Client()
	specs := schemakafka.Topics("fresh", 5, 36*time.Hour)
	if _, err := schemakafka.Partitions(t.Context(), client, "fresh"); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Fatalf("schemakafka.Partitions() before Create: got %v, want %v", err, kafka.UnknownTopicOrPartition)
	}
	if err := schemakafka.Create(t.Context(), client, specs); err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string]struct {
		partitions int
		retention  string
		policy     string
	}{
		"fresh":      {5, "129600000", "delete"},
		"fresh.ids":  {1, "-1", "delete"},
		"fresh.dead": {1, "2592000000", "delete"},
		"fresh.keys": {1, "-1", "compact"},
		"fresh.log":  {1, "-1", "delete"},
	} {
		if got := awaitPartitions(t, client, topic); got != want.partitions {
			t.Errorf("%s has %d partitions, want %d", topic, got, want.partitions)
		}
		if got := configOf(t, client, topic, "retention.ms"); got != want.retention {
			t.Errorf("%s keeps records for %s ms, want %s", topic, got, want.retention)
		}
		if got := configOf(t, client, topic, "cleanup.policy"); got != want.policy {
			t.Errorf("%s has the policy %q, want %s", topic, got, want.policy)
		}
	}
}

func TestCreateLeavesWhatThereIs(t *testing.T) {
	client := testbed.Kafka(t, 2).Client()
	if err := schemakafka.Create(t.Context(), client, schemakafka.Topics("kept", 3, time.Hour)); err != nil {
		t.Fatal(err)
	}
	awaitPartitions(t, client, "kept")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		res, err := client.Produce(t.Context(), &kafka.ProduceRequest{
			Topic: "kept.ids", RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte{1})}),
		})
		if err == nil && res.Error == nil {
			break
		}
		if time.Now().After(deadline) { // a new partition may have no leader for a moment
			t.Fatal(err, res)
		}
	}
	if err := schemakafka.Create(t.Context(), client, schemakafka.Topics("kept", 7, 2*time.Hour)); err != nil {
		t.Fatalf("Create() again: %v", err)
	}
	if got := awaitPartitions(t, client, "kept"); got != 3 {
		t.Errorf("got %d partitions, want still 3", got)
	}
	if got := configOf(t, client, "kept", "retention.ms"); got != "3600000" {
		t.Errorf("got a retention of %s ms, want still 3600000", got)
	}
	res, err := client.ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{"kept.ids": {kafka.LastOffsetOf(0)}}})
	if err != nil || res.Topics["kept.ids"][0].LastOffset != 1 {
		t.Errorf("the topic of ids ends at %+v, %v, want still 1: its offsets must never be given out again", res, err)
	}
}

func TestManyCreateAtOnce(t *testing.T) {
	broker := testbed.Kafka(t, 2)
	var all sync.WaitGroup
	for range 4 {
		client := broker.Client()
		all.Go(func() {
			if err := schemakafka.Create(t.Context(), client, schemakafka.Topics("shared", 4, time.Hour)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := awaitPartitions(t, broker.Client(), "shared"); got != 4 {
		t.Errorf("got %d partitions, want 4", got)
	}
}

func TestCreateFails(t *testing.T) {
	broker := testbed.Kafka(t, 1)
	if err := schemakafka.Create(t.Context(), broker.Client(), []schemakafka.Spec{{Name: "none", Partitions: 0, Retention: time.Hour}}); !errors.Is(err, kafka.InvalidPartitionNumber) {
		t.Errorf("no partitions: got %v, want %v", err, kafka.InvalidPartitionNumber)
	}
	broker.Stop()
	client := broker.Client()
	if err := schemakafka.Create(t.Context(), client, schemakafka.Topics("late", 1, time.Hour)); err == nil {
		t.Error("without a broker: got no error, want one")
	}
	if _, err := schemakafka.Partitions(t.Context(), client, "late"); err == nil || errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("Partitions() without a broker: got %v, want an error that does not say that there is no such topic", err)
	}
}

// awaitPartitions is Partitions for a topic that was just created and that a broker may not know yet.
func awaitPartitions(t *testing.T, client *kafka.Client, topic string) int {
	t.Helper()
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var n int
		if n, err = schemakafka.Partitions(t.Context(), client, topic); err == nil {
			return n
		}
	}
	t.Fatal(err)
	return 0
}

func configOf(t *testing.T, client *kafka.Client, topic, name string) string {
	t.Helper()
	res, err := client.DescribeConfigs(t.Context(), &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{name},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range res.Resources[0].ConfigEntries {
		if e.ConfigName == name {
			return e.ConfigValue
		}
	}
	t.Fatalf("%s has no setting %s: %+v", topic, name, res)
	return ""
}
