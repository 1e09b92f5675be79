package kafka_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

func TestOneOfManyBeginsTheLog(t *testing.T) {
	broker := testbed.Kafka(t, 1)
	broker.ForgetLog()
	ids := make([]uuid.UUID, 6)
	var all sync.WaitGroup
	for i := range ids {
		client := broker.Client()
		all.Go(func() {
			state, err := schemakafka.BeginLog(t.Context(), client, broker.Topic())
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = state.Log.ID
		})
	}
	all.Wait()
	for _, id := range ids {
		if id == uuid.Nil || id != ids[0] {
			t.Errorf("got %v, want one log", ids)
			break
		}
	}
	state, err := schemakafka.NewLogReader(broker.Client(), broker.Topic()).Read(t.Context())
	if err != nil || state.Log.ID != ids[0] || state.Confirmed || state.Refused != "" {
		t.Errorf("got %+v, %v, want the log %v, of which nothing is known", state, err, ids[0])
	}
	if got := state.Log.Topics[broker.Topic()]; got == "" {
		t.Errorf("the log notes no topic ids: %v", state.Log.Topics)
	}
}

// If two logs are written to replace one, the first counts, whatever the writer of the second assumes.
func TestTheFirstSuccessorCounts(t *testing.T) {
	broker := testbed.Kafka(t, 1)
	client, topic := broker.Client(), broker.Topic()
	state, err := schemakafka.BeginLog(t.Context(), client, topic)
	if err != nil {
		t.Fatal(err)
	}
	first, second := state.Log.Successor(), state.Log.Successor()
	if _, err := schemakafka.AppendLog(t.Context(), client, topic, first); err != nil {
		t.Fatal(err)
	}
	if _, err := schemakafka.AppendLog(t.Context(), client, topic, second); !errors.Is(err, schemakafka.ErrLogChanged) {
		t.Errorf("the second: got %v, want %v", err, schemakafka.ErrLogChanged)
	}
	reader := schemakafka.NewLogReader(client, topic)
	for name, step := range map[string]func() error{
		"confirmed": func() error { return schemakafka.ConfirmLog(t.Context(), client, topic, first.ID) },
		"another":   func() error { return schemakafka.RefuseLog(t.Context(), client, topic, second.ID, "of another log") },
	} {
		if err := step(); err != nil {
			t.Fatal(name, err)
		}
	}
	if state, err = reader.Read(t.Context()); err != nil || state.Log.ID != first.ID || !state.Confirmed || state.Refused != "" {
		t.Errorf("got %+v, %v, want the first one, confirmed", state, err)
	}
	if err := schemakafka.RefuseLog(t.Context(), client, topic, first.ID, "leases go back"); err != nil {
		t.Fatal(err)
	}
	if state, err = reader.Read(t.Context()); err != nil || state.Confirmed || state.Refused != "leases go back" {
		t.Errorf("got %+v, %v, want it refused", state, err)
	}
	cut, err := state.Log.Cut(map[int]int64{0: 3}, 10, 0)
	if err != nil {
		t.Fatal(err)
	}
	if state, err = schemakafka.AppendLog(t.Context(), client, topic, cut); err != nil || len(state.Log.Epochs) != 2 || state.Refused == "" {
		t.Errorf("got %+v, %v, want the same log with two epochs, still refused", state, err)
	}
	if got := state.Log.Absolute(0, 3); got != schemakafka.EpochStep+3 {
		t.Errorf("got the absolute offset %d, want %d", got, schemakafka.EpochStep+3)
	}
}

// A follower gives the reason why nothing may be written, and notices changes of the topics.
func TestFollower(t *testing.T) {
	broker := testbed.Kafka(t, 1)
	broker.ForgetLog()
	topic := broker.Topic()
	f := schemakafka.Follow(broker.Client(), topic)
	t.Cleanup(f.Close)
	refused := func(want string, refused bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			_, err := f.Look(t.Context())
			var e *schemakafka.LogError
			if errors.As(err, &e) && e.Refused == refused && strings.Contains(e.Why, want) {
				return
			}
			if time.Now().After(deadline) { // Apache Kafka shows a deleted topic for a moment
				t.Fatalf("got %v, want %q", err, want)
			}
		}
	}
	_, err := f.Log()
	if !schemakafka.IsLogError(err) {
		t.Errorf("before the first look: got %v", err)
	}
	refused("does not say yet which log this is", false)
	state, err := schemakafka.BeginLog(t.Context(), broker.Client(), topic)
	if err != nil {
		t.Fatal(err)
	}
	refused("not been compared with the tables", false)
	if err := schemakafka.ConfirmLog(t.Context(), broker.Client(), topic, state.Log.ID); err != nil {
		t.Fatal(err)
	}
	log, err := f.Look(t.Context())
	if err != nil || log.ID != state.Log.ID {
		t.Fatalf("got %v, %v, want the log", log, err)
	}
	broker.DeleteTopic(schemakafka.IDs(topic))
	refused("topic "+schemakafka.IDs(topic)+" is missing", true)
	broker.CreateTopics()
	refused("topic "+schemakafka.IDs(topic)+" was recreated", true)
	refused("activityctl adopt", true)
	broker.DeleteTopic(schemakafka.LogTopic(topic))
	refused("does not say yet", false)
}

// A follower is no longer sure after a new connection, and is sure again after a look.
func TestAFollowerNoticesConnections(t *testing.T) {
	broker := testbed.Kafka(t, 1)
	if _, err := schemakafka.BeginLog(t.Context(), broker.Client(), broker.Topic()); err != nil {
		t.Fatal(err)
	}
	f := schemakafka.Follow(broker.Client(), broker.Topic())
	t.Cleanup(f.Close)
	sure := func() {
		t.Helper()
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			_, _ = f.Look(ctx)
			cancel()
			if f.Sure() {
				return
			}
		}
		t.Fatal("a look makes connections again and again")
	}
	sure()
	broker.Stop()
	broker.Start()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := f.Client().ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
			broker.Topic(): {kafka.LastOffsetOf(0)},
		}}); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if f.Sure() {
		t.Error("it is sure although the broker has been another process since")
	}
	sure()
}
