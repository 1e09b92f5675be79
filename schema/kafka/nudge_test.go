package kafka_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

func TestNudges(t *testing.T) {
	b := testbed.Kafka(t, 3)
	client, topic := b.Client(), b.Topic()
	read := func(partitions ...int) map[int]schemakafka.Nudge {
		t.Helper()
		all, err := schemakafka.ReadNudges(t.Context(), client, topic, partitions)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	send := func(before map[int]int64) {
		t.Helper()
		if err := schemakafka.SendNudges(t.Context(), client, topic, before); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) { // a new Kafka has no coordinator at first
		got, err := schemakafka.ReadNudges(t.Context(), client, topic, []int{0, 1, 2})
		if err == nil && len(got) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %v, %v before the first nudge, want none", got, err)
		}
	}
	send(map[int]int64{0: 7, 2: 9})
	got := read(0, 1, 2)
	if want := (map[int]schemakafka.Nudge{0: {Before: 7, Nonce: got[0].Nonce}, 2: {Before: 9, Nonce: got[0].Nonce}}); !maps.Equal(got, want) || got[0].Nonce == "" {
		t.Errorf("got %v, want %v and a nonce", got, want)
	}
	if again := read(0); again[0] != got[0] {
		t.Errorf("read again: got %v, want %v", again[0], got[0])
	}
	send(map[int]int64{0: 7})
	if later := read(0); later[0].Before != 7 || later[0].Nonce == got[0].Nonce {
		t.Errorf("a second nudge with the same offset is %v, the first was %v; want another nonce", later[0], got[0])
	}
	if err := schemakafka.SendNudges(t.Context(), client, topic, map[int]int64{9: 1}); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("SendNudges() for a partition that does not exist: got %v, want %v", err, kafka.UnknownTopicOrPartition)
	}
}
