package kafka_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

func TestReader(t *testing.T) {
	broker := testbed.Kafka(t, 2)
	r := schemakafka.Reader{Client: broker.Client(), Topic: broker.Topic(), Partition: 1, MaxBytes: 1 << 20, Wait: time.Millisecond}
	if first, end, err := r.Bounds(t.Context()); err != nil || first != 0 || end != 0 {
		t.Errorf("Bounds() of nothing = %d, %d, %v, want 0, 0", first, end, err)
	}
	produce(t, r, kafka.Record{Key: kafka.NewBytes([]byte("a")), Value: kafka.NewBytes([]byte("1"))}, kafka.Record{Value: kafka.NewBytes([]byte("2"))}, kafka.Record{Key: kafka.NewBytes([]byte("c"))})
	produce(t, r, kafka.Record{Key: kafka.NewBytes([]byte("d")), Value: kafka.NewBytes([]byte("4"))})
	if first, end, err := r.Bounds(t.Context()); err != nil || first != 0 || end != 4 {
		t.Errorf("Bounds() = %d, %d, %v, want 0, 4", first, end, err)
	}
	if first, err := r.First(t.Context()); err != nil || first != 0 {
		t.Errorf("First() = %d, %v, want 0", first, err)
	}
	if end, err := r.End(t.Context()); err != nil || end != 4 {
		t.Errorf("End() = %d, %v, want 4", end, err)
	}
	all := []string{`0 "a"="1"`, `1 ""="2"`, `2 "c"=""`, `3 "d"="4"`}
	for offset := range int64(len(all)) { // 1 and 2 lie within a batch, of which the broker sends the beginning, too
		if got := readAll(t, r, offset, 4); !slices.Equal(got, all[offset:]) {
			t.Errorf("from %d: got %q, want %q", offset, got, all[offset:])
		}
	}
	next, end, err := r.Fetch(t.Context(), 4, func(*kafka.Record) error { t.Error("got a record from the end on"); return nil })
	if err != nil || next != 4 || end != 4 {
		t.Errorf("Fetch() at the end = %d, %d, %v, want 4, 4", next, end, err)
	}
}

func TestReaderFails(t *testing.T) {
	broker := testbed.Kafka(t, 1)
	r := schemakafka.Reader{Client: broker.Client(), Topic: broker.Topic(), MaxBytes: 1 << 20, Wait: time.Millisecond}
	produce(t, r, kafka.Record{Value: kafka.NewBytes([]byte("1"))}, kafka.Record{Value: kafka.NewBytes([]byte("2"))})
	if _, _, err := r.Fetch(t.Context(), 7, nil); !errors.Is(err, kafka.OffsetOutOfRange) {
		t.Errorf("beyond the end: got %v, want %v", err, kafka.OffsetOutOfRange)
	}
	bad, calls := errors.New("bad"), 0
	next, _, err := r.Fetch(t.Context(), 0, func(*kafka.Record) error { calls++; return bad })
	if !errors.Is(err, bad) || next != 0 || calls != 1 {
		t.Errorf("a record that is not taken: got %d, %v after %d calls, want 0 and its error after 1", next, err, calls)
	}
	other := r
	other.Topic = "none"
	if _, _, err := other.Bounds(t.Context()); err == nil {
		t.Error("Bounds() of a topic that does not exist: got no error")
	}
	broker.Stop()
	if _, _, err := r.Fetch(t.Context(), 0, nil); err == nil {
		t.Error("Fetch() without a broker: got no error")
	}
}

func produce(t *testing.T, r schemakafka.Reader, records ...kafka.Record) {
	t.Helper()
	res, err := r.Client.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: r.Topic, Partition: r.Partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err != nil || res.Error != nil {
		t.Fatal(err, res)
	}
}

// readAll fetches from offset until it has come to end.
func readAll(t *testing.T, r schemakafka.Reader, offset, end int64) (all []string) {
	t.Helper()
	for offset < end {
		next, _, err := r.Fetch(t.Context(), offset, func(rec *kafka.Record) error {
			key, _ := kafka.ReadAll(rec.Key)
			value, err := kafka.ReadAll(rec.Value)
			all = append(all, fmt.Sprintf("%d %q=%q", rec.Offset, key, value))
			return err
		})
		if err != nil || next <= offset {
			t.Fatalf("Fetch(%d) = %d, %v", offset, next, err)
		}
		offset = next
	}
	return all
}
