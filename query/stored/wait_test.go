package stored

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// run runs s until the test ends.
func run(t *testing.T, s *Progress) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { s.Run(ctx); done <- nil }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func open(t *testing.T, waitMax time.Duration) (*Progress, *testbed.Broker) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	b := testbed.Kafka(t, 2)
	cfg := Config{Topic: b.Topic(), WaitMax: waitMax}
	nowhere, err := clickhouse.Open(&clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nowhere.Close() })
	s := New(cfg, db.New(db.Defaults(), nowhere), b.Client(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	run(t, s)
	return s, b
}

// commit commits, as the consumer group, that everything before next is stored.
func commit(t *testing.T, b *testbed.Broker, partition int, next int64) {
	t.Helper()
	client := b.Client()
	for range 100 { // the group's coordinator may still be starting
		res, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{
			GroupID: schemakafka.Group(b.Topic()), GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{b.Topic(): {{Partition: partition, Offset: next}}},
		})
		if err == nil && res.Topics[b.Topic()][0].Error == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the offset could not be committed")
}

func TestAwait(t *testing.T) {
	s, b := open(t, 300*time.Millisecond)
	commit(t, b, 0, 5)
	many := schema.Position{}
	for partition := range 512 {
		many.Add(partition+1000, 1)
	}
	for _, tc := range []struct {
		name     string
		position schema.Position
		want     error
	}{
		{"nothing", nil, nil},
		{"stored", schema.Position{0: 4}, nil},
		{"next to be stored", schema.Position{0: 5}, schema.ErrTimeout},
		{"never committed", schema.Position{1: 0}, schema.ErrTimeout},
		{"one of two", schema.Position{0: 4, 1: 0}, schema.ErrTimeout},
		{"no such partition", schema.Position{77: 0}, schema.ErrInvalid},
		{"the partition after the last", schema.Position{2: 0}, schema.ErrInvalid},
		{"one that is there, and one that is not", schema.Position{0: 4, 2: 0}, schema.ErrInvalid},
		{"the highest that can be named", schema.Position{4095: 1 << 62}, schema.ErrInvalid},
		{"more partitions than there are", schema.Position{0: 4, 1: 0, 2: 0}, schema.ErrInvalid},
		{"many more, none of them there", many, schema.ErrInvalid},
	} {
		if err := s.Await(t.Context(), tc.position); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, err, tc.want)
		}
	}
	if err := s.Await(t.Context(), schema.Position{1: 0, 77: 0}); err == nil || err.Error() != "position: names partition 77; the highest is 1" {
		t.Errorf("got %v, want the highest partition named", err)
	}
	res, err := b.Client().CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: b.Topic(), Count: 3}}})
	if err != nil || res.Errors[b.Topic()] != nil {
		t.Fatal(err, res)
	}
	if err := s.Await(t.Context(), schema.Position{2: 0}); !errors.Is(err, schema.ErrTimeout) {
		t.Errorf("a partition that was added a moment ago: got %v, want a timeout", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := s.Await(ctx, schema.Position{0: 9}); !errors.Is(err, context.Canceled) {
		t.Errorf("caller leaves: got %v, want canceled", err)
	}
	b.Stop()
	if err := s.Await(t.Context(), schema.Position{0: 4}); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("Kafka unavailable: got %v, want unavailable", err)
	}
	b.Start()
	err = s.Await(t.Context(), schema.Position{0: 4})
	for deadline := time.Now().Add(10 * time.Second); errors.Is(err, schema.ErrUnavailable) && time.Now().Before(deadline); {
		err = s.Await(t.Context(), schema.Position{0: 4}) // the group's coordinator may still be loading its offsets
	}
	if err != nil {
		t.Errorf("Kafka reachable again: got %v, want nil", err)
	}
}

func TestAwaitWakesAll(t *testing.T) {
	s, b := open(t, 5*time.Second)
	commit(t, b, 0, 1)
	var all sync.WaitGroup
	for i := range int64(50) {
		all.Go(func() {
			if err := s.Await(t.Context(), schema.Position{0: i % 10}); err != nil {
				t.Errorf("position %d: %v", i%10, err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	commit(t, b, 0, 10)
	start := time.Now()
	all.Wait()
	if took := time.Since(start); took > time.Second {
		t.Errorf("woken %s after the commit, want at once", took)
	}
	s.watcher.mu.Lock()
	defer s.watcher.mu.Unlock()
	if n := len(s.watcher.waiting); n != 0 {
		t.Errorf("%d still wait", n)
	}
}
