package apikey

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

func topicOf(b *testbed.Broker) Topic {
	return Topic{Client: b.Client(), Name: schemakafka.Keys(b.Topic())}
}

// follow runs a set until the test ends.
func follow(t *testing.T, topic Topic) *Set {
	t.Helper()
	s := NewSet(topic, slog.New(slog.DiscardHandler), prometheus.NewGauge(prometheus.GaugeOpts{Name: "x"}))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return s
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come about: %s", what)
		}
	}
}

func put(t *testing.T, topic Topic, k Key) {
	t.Helper()
	if err := topic.Put(t.Context(), k); err != nil {
		t.Fatal(err)
	}
}

func TestSetFollowsTheTopic(t *testing.T) {
	broker := testbed.Kafka(t, 1)
	topic := topicOf(broker)
	first, _ := New(Key{Tenant: "acme", Created: time.Unix(1, 0).UTC(), Rate: 1})
	put(t, topic, first)
	s := follow(t, topic)
	until(t, "read", func() bool { return s.Ready() == nil })
	if k, ok := s.Find(first.ID); !ok || k.Tenant != "acme" || !k.Revoked.IsZero() {
		t.Fatalf("got %+v, %v, want the key", k, ok)
	}
	if k, _ := s.Find(first.ID); k.Delay(time.Now()) != 0 || k.Delay(time.Now()) == 0 {
		t.Error("the rate of one request a second is not kept")
	}

	second, _ := New(Key{Tenant: "acme", Created: time.Unix(2, 0).UTC()})
	put(t, topic, second)
	until(t, "the second key", func() bool { _, ok := s.Find(second.ID); return ok })
	first.Revoked = time.Unix(3, 0).UTC()
	put(t, topic, first)
	began := time.Now()
	until(t, "the revocation", func() bool { k, ok := s.Find(first.ID); return ok && !k.Revoked.IsZero() })
	t.Logf("a revocation acted after %v", time.Since(began))
	if k, _ := s.Find(first.ID); k.Delay(time.Now()) == 0 {
		t.Error("a change of the key reset its rate")
	}

	for name, value := range map[string][]byte{"damaged": []byte("{"), "taken out": nil} {
		k, _ := New(Key{Tenant: "acme"})
		put(t, topic, k)
		until(t, name, func() bool { _, ok := s.Find(k.ID); return ok })
		record := kafka.Record{Key: kafka.NewBytes([]byte(k.ID))}
		if value != nil {
			record.Value = kafka.NewBytes(value)
		}
		res, err := topic.Client.Produce(t.Context(), &kafka.ProduceRequest{Topic: topic.Name, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(record)})
		if err != nil || res.Error != nil {
			t.Fatal(err, res)
		}
		until(t, name, func() bool { _, ok := s.Find(k.ID); return !ok })
	}

	all, err := topic.All(t.Context())
	if err != nil || len(all) != 2 || all[0].ID != first.ID || all[1].ID != second.ID || all[0].Revoked.IsZero() {
		t.Errorf("All: got %+v, %v, want the two keys, the first revoked", all, err)
	}
}

// Known keys stay valid while Kafka is unavailable; changes are seen once it is reachable again.
func TestSetOutlivesKafka(t *testing.T) {
	broker := testbed.Kafka(t, 1)
	topic := topicOf(broker)
	broker.Stop()
	s := follow(t, topic)
	until(t, "a reason", func() bool {
		return s.Ready() != nil && s.Ready().Error() != "API keys: topic "+topic.Name+": has not been read yet"
	})
	broker.Start()
	until(t, "read", func() bool { return s.Ready() == nil })
	k, _ := New(Key{Tenant: "acme"})
	put(t, topic, k)
	until(t, "the key", func() bool { _, ok := s.Find(k.ID); return ok })
	broker.Stop()
	for range 20 {
		if _, ok := s.Find(k.ID); !ok || s.Ready() != nil {
			t.Fatalf("without Kafka: the key is forgotten, %v", s.Ready())
		}
		time.Sleep(10 * time.Millisecond)
	}
	broker.Start()
	k.Revoked = time.Unix(3, 0).UTC()
	until(t, "a revocation", func() bool { return topic.Put(t.Context(), k) == nil })
	until(t, "its effect", func() bool { held, _ := s.Find(k.ID); return !held.Revoked.IsZero() })
}

// Keys that were made in the same second are always listed in the same order.
func TestAllIsInOrder(t *testing.T) {
	topic := topicOf(testbed.Kafka(t, 1))
	var want []string
	for range 20 {
		k, _ := New(Key{Tenant: "acme", Created: time.Unix(1, 0).UTC()})
		put(t, topic, k)
		want = append(want, k.ID)
	}
	slices.Sort(want)
	early, _ := New(Key{Tenant: "acme", Created: time.Unix(0, 0).UTC()})
	put(t, topic, early)
	want = append([]string{early.ID}, want...)
	for range 3 {
		all, err := topic.All(t.Context())
		var got []string
		for _, k := range all {
			got = append(got, k.ID)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("got %v, %v, want %v", got, err, want)
		}
	}
}
