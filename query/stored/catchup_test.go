package stored

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/schema"
)

// witness counts the requests to the broker.
type witness struct {
	kafka.RoundTripper
	ends, commits atomic.Int64
}

func (w *witness) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	switch req.(type) {
	case *listoffsets.Request:
		w.ends.Add(1)
	case *offsetfetch.Request:
		w.commits.Add(1)
	}
	return w.RoundTripper.RoundTrip(ctx, addr, req)
}

// reads is a Progress whose reads wait, over a broker of two partitions.
type reads struct {
	*Progress
	t       *testing.T
	broker  *testbed.Broker
	client  *kafka.Client
	witness *witness
}

func openReads(t *testing.T, wait time.Duration) *reads {
	t.Helper()
	b := testbed.Kafka(t, 2)
	r := &reads{t: t, broker: b, client: b.Client()}
	watched := b.Client()
	r.witness = &witness{RoundTripper: watched.Transport}
	watched.Transport = r.witness
	nowhere, err := clickhouse.Open(&clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nowhere.Close() })
	cfg := Config{Topic: b.Topic(), WaitMax: 5 * time.Second, ReadWait: wait}
	r.Progress = New(cfg, db.New(db.Defaults(), nowhere), watched, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	run(t, r.Progress)
	r.reachable()
	return r
}

// write writes a record to the partition, and returns the offset after it once it is acknowledged.
func (r *reads) write(partition int) int64 {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		res, err := r.client.Produce(r.t.Context(), &kafka.ProduceRequest{
			Topic: r.broker.Topic(), Partition: partition, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Value: kafka.NewBytes([]byte{1})}),
		})
		if err == nil {
			err = res.Error
		}
		if err == nil {
			return res.BaseOffset + 1
		}
		if time.Now().After(deadline) { // the broker may just have been started again
			r.t.Fatal(err)
		}
	}
}

// catchUp is how long a read waits.
func (r *reads) catchUp() time.Duration {
	began := time.Now()
	r.CatchUp(r.t.Context())
	return time.Since(began)
}

func (r *reads) missed(reason string) float64 {
	r.t.Helper()
	return r.value(r.metrics.missed[reason])
}

func (r *reads) value(counter prometheus.Counter) float64 {
	r.t.Helper()
	var m dto.Metric
	if err := counter.Write(&m); err != nil {
		r.t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// again waits until a read waits again for a record of the partition, which is stored before the read gives up.
func (r *reads) again(partition int) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); r.lag.behind.Load() != nil || time.Now().UnixNano() < r.lag.silent.Load(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatal("reads still do not wait")
		}
	}
	r.reachable()
	r.waitsFor(partition)
}

// reachable waits until Kafka answers. Connections from before the stop end with an error, and Apache Kafka has no coordinator for the
// first group until it has created the topic of offsets.
func (r *reads) reachable() {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, err := r.frontier(r.t.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal(err)
		}
	}
}

// waitsFor writes a record that is stored a moment after its acknowledgement: a read in between must return after that.
func (r *reads) waitsFor(partition int) {
	r.t.Helper()
	next := r.write(partition)
	var stored atomic.Bool
	var all sync.WaitGroup
	all.Go(func() {
		time.Sleep(30 * time.Millisecond)
		stored.Store(true)
		commit(r.t, r.broker, partition, next)
	})
	r.CatchUp(r.t.Context())
	if !stored.Load() {
		r.t.Errorf("a read did not wait for a record of partition %d", partition)
	}
	all.Wait()
}

func TestReadsCatchUp(t *testing.T) {
	r := openReads(t, 10*time.Second)
	if took := r.catchUp(); took > time.Second {
		t.Errorf("without a record: it took %v", took)
	}
	r.waitsFor(0)
	if took := r.catchUp(); took > time.Second {
		t.Errorf("when all is stored: it took %v", took)
	}
	r.waitsFor(1) // which had no commit before
	for i := range 20 {
		r.waitsFor(i % 2)
	}
	first, second := r.write(0), r.write(1)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	began := time.Now()
	if r.CatchUp(ctx); time.Since(began) > 2*time.Second {
		t.Errorf("the caller has left: it took %v", time.Since(began))
	}
	commit(t, r.broker, 0, first)
	var later sync.WaitGroup
	later.Go(func() {
		time.Sleep(50 * time.Millisecond)
		commit(t, r.broker, 1, second)
	})
	if took := r.catchUp(); took < 40*time.Millisecond || took > 5*time.Second {
		t.Errorf("one of two partitions is stored: it took %v", took)
	}
	later.Wait()
	for _, reason := range []string{missedLate, missedBehind, missedUnavailable} {
		if n := r.missed(reason); n != 0 {
			t.Errorf("%v reads missed something: %s", n, reason)
		}
	}
}

// TestReadsDoNotWaitForNothing: with a wait of 0 no read asks Kafka.
func TestReadsDoNotWaitForNothing(t *testing.T) {
	r := openReads(t, 0)
	r.write(0)
	before := r.witness.ends.Load()
	if took := r.catchUp(); took > 100*time.Millisecond || r.witness.ends.Load() != before {
		t.Errorf("it took %v and %d requests", took, r.witness.ends.Load()-before)
	}
}

// TestReadsBehindTheConsumer: when the consumer is further behind than a read waits, one read finds out and the others do not wait;
// when it has caught up, they do again.
func TestReadsBehindTheConsumer(t *testing.T) {
	const wait = 200 * time.Millisecond
	r := openReads(t, wait)
	r.waitsFor(0)
	next := r.write(0)
	if took := r.catchUp(); took < wait || took > 10*wait {
		t.Errorf("the first read took %v, want %v", took, wait)
	}
	began := time.Now()
	for range 100 {
		r.catchUp()
	}
	if took := time.Since(began); took > wait {
		t.Errorf("100 further reads took %v, want no time", took)
	}
	if late, behind := r.missed(missedLate), r.missed(missedBehind); late != 1 || behind != 100 {
		t.Errorf("got %v late and %v behind, want 1 and 100", late, behind)
	}
	commit(t, r.broker, 0, next)
	r.again(0)
}

// TestReadsUnderFullLoad: a consumer that stays half a second behind costs the first reads their wait and no others.
func TestReadsUnderFullLoad(t *testing.T) {
	for name, tt := range map[string]struct {
		wait, length time.Duration
		waited       int // reads, at most
	}{
		"longer than a read waits":              {100 * time.Millisecond, 3 * time.Second, 2},
		"longer than reads wait on the average": {800 * time.Millisecond, 12 * time.Second, 20},
	} {
		t.Run(name, func(t *testing.T) {
			r := openReads(t, tt.wait)
			r.waitsFor(0)
			ctx, cancel := context.WithCancel(t.Context())
			var load sync.WaitGroup
			load.Go(func() { r.behind(ctx) })
			time.Sleep(300 * time.Millisecond)
			reads, waited := 0, 0
			for began := time.Now(); time.Since(began) < tt.length; time.Sleep(5 * time.Millisecond) {
				if reads++; r.catchUp() > tt.wait/2 {
					waited++
				}
			}
			cancel()
			load.Wait()
			if waited > tt.waited || reads < 100 {
				t.Errorf("%d of %d reads waited, want %d at most", waited, reads, tt.waited)
			}
			r.again(0)
		})
	}
}

// behind writes records, and stores each of them half a second later, until ctx ends.
func (r *reads) behind(ctx context.Context) {
	var written []int64 // by tenths of a second
	for ctx.Err() == nil {
		written = append(written, r.write(0))
		if n := len(written); n > 5 {
			commit(r.t, r.broker, 0, written[n-6])
		}
		time.Sleep(100 * time.Millisecond)
	}
	commit(r.t, r.broker, 0, written[len(written)-1])
}

// TestReadsWhileKafkaIsUnavailable: a read does not wait, and not every read asks Kafka.
func TestReadsWhileKafkaIsUnavailable(t *testing.T) {
	r := openReads(t, 250*time.Millisecond)
	r.waitsFor(0)
	r.broker.Stop()
	before := r.witness.ends.Load()
	began := time.Now()
	for range 1000 {
		r.catchUp()
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("1000 reads took %v", took)
	}
	if n := r.witness.ends.Load() - before; n > 5 {
		t.Errorf("1000 reads asked %d times", n)
	}
	r.broker.Start()
	r.again(1)
}

// TestReadsShareRequests: reads at the same time ask once, after all of them began.
func TestReadsShareRequests(t *testing.T) {
	r := openReads(t, 5*time.Second)
	r.waitsFor(0)
	before := r.witness.ends.Load()
	var all sync.WaitGroup
	const readers, each = 50, 10
	for range readers {
		all.Go(func() {
			for range each {
				r.catchUp()
			}
		})
	}
	all.Wait()
	if n := r.witness.ends.Load() - before; n > readers*each/4 {
		t.Errorf("%d reads asked %d times", readers*each, n)
	}
}

// TestWaitsSlowDownWhileKafkaIsAway: a read that waits for a position does not keep a processor busy.
func TestWaitsSlowDownWhileKafkaIsAway(t *testing.T) {
	r := openReads(t, 0)
	next := r.write(0)
	commit(t, r.broker, 0, next)
	if err := r.Await(t.Context(), schema.Position{0: next - 1}); err != nil {
		t.Fatal(err)
	}
	r.broker.Stop()
	before := r.witness.commits.Load()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_ = r.Wait(ctx, schema.Position{0: next})
	if n := r.witness.commits.Load() - before; n > 20 || n < 3 {
		t.Errorf("2 s took %d requests, want about ten", n)
	}
	r.broker.Start()
	commit(t, r.broker, 0, next+1)
	if err := r.Wait(t.Context(), schema.Position{0: next}); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}
