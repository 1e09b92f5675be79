package consumer

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/produce"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
)

// ackRecorder records how many replicas each write asks for; -1 stands for all in-sync replicas. Only one worker uses it.
type ackRecorder struct {
	kafka.RoundTripper
	acks []int16
}

func (w *ackRecorder) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	if p, ok := req.(*produce.Request); ok {
		w.acks = append(w.acks, p.Acks)
	}
	return w.RoundTripper.RoundTrip(ctx, addr, req)
}

func TestEveryReplicaAcknowledgesADeadLetter(t *testing.T) {
	w := newWorld(t, testbed.Kafka(t, 1), 2)
	if _, err := w.append(0, [][]byte{[]byte("\xff\xff\xff")}); err != nil {
		t.Fatal(err)
	}
	r, err := w.assign("", 10)
	if err != nil {
		t.Fatal(err)
	}
	seen := &ackRecorder{RoundTripper: w.client.Transport}
	r.consumer.client.Transport = seen
	r.start(0, 2)
	must(t, w.awaitStored(1))
	r.stop()
	must(t, r.end())
	if want := []int16{int16(kafka.RequireAll)}; !slices.Equal(slices.Compact(seen.acks), want) {
		t.Errorf("dead letters ask for the replicas %v, want %v", seen.acks, want)
	}
}

// TestADeadTopicThatIsMissingIsWaitedFor: dead letters must be in their topic, too, before the batch counts as stored.
func TestADeadTopicThatIsMissingIsWaitedFor(t *testing.T) {
	b := newBed(t, 1)
	c, stop := b.consumer()
	b.send(0, "default", 2)
	b.drain()
	stop()
	dead := c.cfg.Topic + ".dead"
	if res, err := b.client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{dead}}); err != nil || res.Errors[dead] != nil {
		t.Fatal(err, res)
	}
	b.produce(0, []byte("\xff\xff\xff"))
	b.send(0, "default", 3)
	c, _ = b.consumer()
	b.await("Ready to say that the topic is missing", func() error {
		if err := c.Ready(t.Context()); err == nil {
			return errors.New("ready")
		}
		return nil
	})
	b.await("the topic", func() error {
		res, err := b.client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: dead, NumPartitions: 1, ReplicationFactor: 1}}})
		if err != nil {
			return err
		}
		return res.Errors[dead]
	})
	b.drain()
	b.check()
	if got := b.dead(); len(got) != 1 {
		t.Errorf("got dead letters %q, want 1", got)
	}
	b.await("Ready", func() error { return c.Ready(t.Context()) })
}
