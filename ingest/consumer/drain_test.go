package consumer

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/ingest/consumer/internal/repeat"
	"github.com/activitylog/activitylog/ingest/consumer/internal/sink"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// holding stops the work on a partition when it first reaches the point, until it is released.
type holding struct {
	reached, free chan struct{}
}

func hold(partition int, point string) (h holding, change func(*Consumer)) {
	h = holding{make(chan struct{}), make(chan struct{})}
	reach := sync.OnceFunc(func() { close(h.reached) })
	return h, func(c *Consumer) {
		c.fail = func(p int, at string) error {
			if p == partition && at == point {
				reach()
				<-h.free
			}
			return nil
		}
	}
}

// letGoAfter lets the work continue after d, while the test waits for something else.
func (h holding) letGoAfter(d time.Duration) { time.AfterFunc(d, func() { close(h.free) }) }

// checkCommitted checks that the group has committed the whole log as stored, without a declared batch.
func (b *bed) checkCommitted() {
	b.t.Helper()
	for p := range b.partitions {
		at, metadata := b.committed(schemakafka.Group(b.broker.Topic()), p)
		state, err := repeat.Parse(metadata)
		if end := b.end(p); at != end && end > 0 || err != nil || state.Last != schemakafka.None {
			b.t.Errorf("partition %d: committed %d of %d, under way up to %d, %v; want everything, and nothing under way", p, at, end, state.Last, err)
		}
	}
}

// replays returns how many batches the consumers stored again.
func replays(t *testing.T, all ...*Consumer) (n float64) {
	t.Helper()
	for _, c := range all {
		n += counter(t, c.metrics.replays)
	}
	return n
}

// TestStoppingInterruptsNoPartition: one partition is in the middle of a batch while the others have nothing to do.
func TestStoppingInterruptsNoPartition(t *testing.T) {
	for _, point := range []string{afterIntent, afterEntries, afterEntities, afterKinds} {
		t.Run(point, func(t *testing.T) {
			b := newBed(t, 4)
			h, change := hold(1, point)
			b.send(1, "default", 20)
			_, stop := b.consumer(change)
			<-h.reached
			h.letGoAfter(300 * time.Millisecond)
			stop()
			b.checkCommitted()
			b.check()
		})
	}
}

// TestWhatWasAcceptedIsStoredBeforeTheEnd: the log still has many unstored batches when the process is told to end.
func TestWhatWasAcceptedIsStoredBeforeTheEnd(t *testing.T) {
	b := newBed(t, 2)
	for i := range 40 {
		b.send(i%2, "default", 10)
	}
	h, change := hold(0, afterIntent)
	_, stop := b.consumer(change, func(c *Consumer) { c.cfg.MaxRows = 30 })
	<-h.reached
	h.letGoAfter(200 * time.Millisecond)
	stop()
	b.checkCommitted()
	b.check()
}

// TestARebalanceInterruptsNoBatch: another member joins while a batch is being stored.
func TestARebalanceInterruptsNoBatch(t *testing.T) {
	b := newBed(t, 2)
	long := func(c *Consumer) { c.cfg.SessionTimeout = 8 * time.Second } // a heartbeat every two seconds
	h, change := hold(0, afterEntries)
	b.send(0, "default", 20)
	b.send(1, "default", 20)
	first, _ := b.consumer(change, long)
	<-h.reached
	second, _ := b.consumer(long)
	h.letGoAfter(3 * time.Second)
	b.await("the second to be a member", func() error { return second.Ready(t.Context()) })
	b.drain()
	b.check()
	if n := replays(t, first, second); n != 0 {
		t.Errorf("got %v batches stored again, want 0", n)
	}
}

// TestABatchThatHangsIsInterrupted: the engine takes the request and never answers.
func TestABatchThatHangsIsInterrupted(t *testing.T) {
	b := newBed(t, 1)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	asked := make(chan struct{})
	go func() {
		conn, err := mute.Accept()
		if err == nil {
			defer conn.Close()
		}
		close(asked)
		<-t.Context().Done()
	}()
	b.send(0, "default", 5)
	_, stop := b.consumer(func(c *Consumer) {
		c.cfg.DrainTimeout = time.Second
		c.sink = sink.Open(&clickhouse.Options{Addr: []string{mute.Addr().String()}})
	})
	<-asked
	began := time.Now()
	stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Run() took %v to end, want about 1 s", took)
	}
}
