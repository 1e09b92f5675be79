package broker

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/sasl/plain"

	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

func testClient(t *testing.T, b *Broker) *kafka.Client {
	t.Helper()
	tr := &kafka.Transport{SASL: plain.Mechanism{Username: User, Password: b.Password()}}
	t.Cleanup(tr.CloseIdleConnections)
	c := &kafka.Client{Addr: kafka.TCP(b.Addr()), Timeout: 5 * time.Second, Transport: tr}
	if err := schemakafka.Create(t.Context(), c, schemakafka.Topics("activity", 1, time.Hour)); err != nil {
		t.Fatalf("Create: %v", err)
	}
	return c
}

func produceTo(ctx context.Context, c *kafka.Client, topic, value string) error {
	res, err := c.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Value: protocol.NewBytes([]byte(value))}),
	})
	if err != nil {
		return err
	}
	return res.Error
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting: %s", what)
		}
	}
}

func TestFullDiskIsRefusedAndRecovers(t *testing.T) {
	var free atomic.Int64
	free.Store(1e9)
	b, err := Open(t.Context(), Config{
		DataDir: t.TempDir(), ReserveBytes: 100e6,
		diskSpace: func(string) (int64, int64, error) { return free.Load(), 10e9, nil },
	})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer b.Close()
	c := testClient(t, b)
	if err := errors.Join(produceTo(t.Context(), c, "activity", "x"), b.Ready(t.Context())); err != nil {
		t.Fatalf("with space: %v", err)
	}
	free.Store(99e6)
	until(t, "refusal", func() bool { return b.Ready(t.Context()) != nil })
	if err := produceTo(t.Context(), c, "activity", "x"); !errors.Is(err, kafka.KafkaStorageError) {
		t.Errorf("without space: got %v, want %v", err, kafka.KafkaStorageError)
	}
	free.Store(1e9)
	until(t, "recovery", func() bool { return b.Ready(t.Context()) == nil })
	if err := produceTo(t.Context(), c, "activity", "x"); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

func commitTo(t *testing.T, c *kafka.Client, offset int64) {
	t.Helper()
	res, err := c.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{
		GroupID: schemakafka.Group("activity"), GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{"activity": {{Offset: offset}}},
	})
	if err != nil || res.Topics["activity"][0].Error != nil {
		t.Fatalf("commit: %v, %v", err, res)
	}
}

func nudgeTo(t *testing.T, c *kafka.Client, offset int64) {
	t.Helper()
	if err := schemakafka.SendNudges(t.Context(), c, "activity", map[int]int64{0: offset}); err != nil {
		t.Fatal(err)
	}
}

// New records are refused as long as the old ones are unread. Committed records are dropped to make space. Nudges neither read nor keep
// records.
func TestFullLog(t *testing.T) {
	t.Run("a group has read nothing", func(t *testing.T) { fillLog(t, func(c *kafka.Client) { commitTo(t, c, 0) }) })
	t.Run("no group has read", func(t *testing.T) { fillLog(t, func(*kafka.Client) {}) })
}

func fillLog(t *testing.T, begin func(*kafka.Client)) {
	t.Helper()
	b, err := Open(t.Context(), Config{DataDir: t.TempDir(), SegmentBytes: 10 << 10, KeepBytes: 50 << 10, MaxBytes: 200 << 10, ReserveBytes: 1, NoSync: true})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer b.Close()
	c := testClient(t, b)
	begin(c)
	nudgeTo(t, c, 1000)
	value := strings.Repeat("x", 5<<10)
	sent := int64(0)
	until(t, "refusal", func() bool {
		if b.Ready(t.Context()) == nil && produceTo(t.Context(), c, "activity", value) == nil {
			sent++
		}
		return b.Ready(t.Context()) != nil
	})
	if start := logStart(t, c); start != 0 {
		t.Fatalf("unread records were dropped: log starts at %d", start)
	}
	nudgeTo(t, c, 0)
	commitTo(t, c, sent)
	until(t, "recovery", func() bool { return b.Ready(t.Context()) == nil })
	if start := logStart(t, c); start <= 0 || start >= sent {
		t.Errorf("log start: got %d, want between 0 and %d", start, sent)
	}
	if err := produceTo(t.Context(), c, "activity", value); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func logStart(t *testing.T, c *kafka.Client) int64 {
	t.Helper()
	res, err := c.ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{"activity": {kafka.FirstOffsetOf(0)}}})
	if err != nil {
		t.Fatalf("ListOffsets: %v", err)
	}
	return res.Topics["activity"][0].FirstOffset
}

func TestRules(t *testing.T) {
	now := time.Now()
	r := rules{
		retention: map[string]time.Duration{"a": time.Hour, "ids": -1},
		consumed:  map[string]map[int32]int64{"a": {0: 100}},
	}
	old, young := now.Add(-2*time.Hour), now
	for _, tt := range []struct {
		name    string
		s       segment
		tooMuch bool
		want    bool
	}{
		{"old and read", segment{topic: "a", end: 100, written: old}, false, true},
		{"old, unread", segment{topic: "a", end: 101, written: old}, true, false},
		{"young and read", segment{topic: "a", end: 100, written: young}, false, false},
		{"young and read, no room", segment{topic: "a", end: 100, written: young}, true, true},
		{"old, nobody reads it", segment{topic: "a", partition: 1, end: 100, written: old}, false, true},
		{"young, nobody reads it, no room", segment{topic: "a", partition: 1, end: 100, written: young}, true, false},
		{"kept for ever", segment{topic: "ids", end: 1, written: old}, true, false},
		{"unknown topic", segment{topic: "b", end: 1, written: old}, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.allow(tt.s, tt.tooMuch, now); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
