package consumer

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/ingest/consumer/internal/repeat"
	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// maxMetadata is how much a broker accepts with an offset (offset.metadata.max.bytes).
const maxMetadata = 4096

func TestOneThreeTwoConsumers(t *testing.T) {
	b := newBed(t, 4)
	stopSending, sent := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sent)
		for i := 0; ; i++ {
			select {
			case <-stopSending:
				return
			case <-time.After(2 * time.Millisecond):
				b.send(i%4, "default", 1+i%20)
			}
		}
	}()
	join := func() (stop func()) {
		c, stop := b.consumer()
		b.await("another to be a member", func() error { return c.Ready(t.Context()) })
		return stop
	}
	first := join()
	second := join()
	third := join()
	time.Sleep(time.Second)
	second()
	time.Sleep(time.Second)
	close(stopSending)
	<-sent
	b.drain()
	first()
	third()
	b.check()
}

// A member to which the group gave no partition leaves at once, too: nothing else ends its generation.
func TestAMemberWithoutPartitionsLeaves(t *testing.T) {
	b := newBed(t, 1)
	b.send(0, "default", 10)
	leave := map[*Consumer]func(){}
	for range 2 {
		c, stop := b.consumer()
		b.await("it to be a member", func() error { return c.Ready(t.Context()) })
		leave[c] = stop
	}
	var idle *Consumer
	b.await("one of them to have the partition", func() error {
		var without []*Consumer
		for c := range leave {
			c.watch.mu.Lock()
			if len(c.watch.waiting) == 0 {
				without = append(without, c)
			}
			c.watch.mu.Unlock()
		}
		if len(without) != 1 {
			return fmt.Errorf("%d members have none", len(without))
		}
		idle = without[0]
		return nil
	})
	began := time.Now()
	leave[idle]()
	if took := time.Since(began); took > time.Second {
		t.Errorf("it left after %v", took)
	}
	b.check()
}

func TestErasedOffsetsStoreNothingTwice(t *testing.T) {
	b := newBed(t, 2)
	for i := range 6 {
		b.send(i%2, "default", 10)
	}
	_, stop := b.consumer()
	b.drain()
	b.erase(0, "default")
	b.drain()
	stop()
	b.forget()
	b.send(0, "default", 5)
	c, _ := b.consumer()
	b.drain()
	b.check()
	if got := outcome(t, c, "recovered"); got == 0 {
		t.Error("got no entries that the table had, want those of the log")
	}
}

// forget deletes the group's offsets, as an operator or an expiry would.
func (b *bed) forget() {
	b.t.Helper()
	b.await("the offsets to be erased", func() error {
		partitions := make([]int, b.partitions)
		for p := range partitions {
			partitions[p] = p
		}
		res, err := b.client.OffsetDelete(b.t.Context(), &kafka.OffsetDeleteRequest{
			GroupID: schemakafka.Group(b.broker.Topic()), Topics: map[string][]int{b.broker.Topic(): partitions},
		})
		if err != nil {
			return err
		}
		for _, p := range res.Topics[b.broker.Topic()] {
			err = errors.Join(err, p.Error)
		}
		return errors.Join(res.Error, err)
	})
	if at, _ := b.committed(schemakafka.Group(b.broker.Topic()), 0); at >= 0 {
		b.t.Fatalf("got offset %d after the offsets were erased, want none", at)
	}
}

// As many collectors as a commit can remember, with the longest numbers that there are, fit into its metadata.
func TestMetadataAtItsLimit(t *testing.T) {
	b := newBed(t, 1)
	var values [][]byte
	const collectors = 300
	for i := range collectors {
		values = append(values, b.sendFrom((schema.Block(schema.MaxID)-uint64(i))*schema.IDBlock+schema.IDBlock-10, 3))
	}
	_, stop := b.consumer()
	b.drain()
	stop()
	at, metadata := b.committed(schemakafka.Group(b.broker.Topic()), 0)
	if len(metadata) > maxMetadata || len(metadata) < 3000 {
		t.Errorf("got %d bytes of metadata, want at most %d, and no fewer than 3000 or this test has no power", len(metadata), maxMetadata)
	}
	if state, err := repeat.Parse(metadata); err != nil || at != collectors || state.Encode() != metadata {
		t.Errorf("got offset %d and metadata %.60q…, %v, want %d and what was encoded", at, metadata, err, collectors)
	}
	for _, value := range values[len(values)-100:] { // a collector that sends again what another consumer has stored
		b.produce(0, value)
	}
	b.send(0, "default", 2)
	c, _ := b.consumer(failing(afterIntent, 1))
	b.drain()
	b.check()
	if got := outcome(t, c, "repeated"); got < 300 {
		t.Errorf("got %v repeated entries, want 300 or more", got)
	}
}

// sendFrom writes n new entries with the ids from first on as one record, and expects them to be stored.
func (b *bed) sendFrom(first uint64, n int) (value []byte) {
	b.t.Helper()
	var c schema.Chunk
	c.Reset("default", time.Now().UnixMilli())
	for i := range n {
		e := entry(i)
		c.Add(&e, nil)
	}
	c.Seal(first)
	value = schema.AppendChunk(schema.AppendRecordHeader(nil), &c)
	offset := b.produce(0, value)
	for i := range n {
		b.want[first+uint64(i)] = sent{partition: 0, offset: offset, tenant: "default", timestamp: entry(i).Timestamp}
	}
	return value
}
