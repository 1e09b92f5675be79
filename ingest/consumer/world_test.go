package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// world is a topic, its group and a database, in which a test controls the members of the group step by step. Every request goes
// to the real broker and the real engine, but a member acts only when the test says so, and answers get lost on demand.
type world struct {
	ctx    context.Context
	topic  string
	broker *testbed.Broker
	client *kafka.Client // loses no answer
	conn   driver.Conn   // the same
	opts   *clickhouse.Options
	proxy  *lossyProxy
	log    *slog.Logger
}

var worlds atomic.Int64

// newWorld makes a world with a topic of its own on the broker.
func newWorld(t testing.TB, broker *testbed.Broker, partitions int) *world {
	t.Helper()
	opts, err := clickhouse.ParseDSN(testbed.ClickHouse(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tables.Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w := &world{
		ctx: t.Context(), topic: fmt.Sprintf("model-%d", worlds.Add(1)), broker: broker, client: broker.Client(),
		conn: conn, opts: opts, proxy: newLossyProxy(t, opts.Addr[0]), log: slog.New(slog.DiscardHandler),
	}
	if err := schemakafka.Create(t.Context(), w.client, schemakafka.Topics(w.topic, partitions, 24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	return w
}

// lossyProxy is a proxy in front of the engine that loses requests, or the answers to them.
type lossyProxy struct {
	addr  string
	proxy http.Handler

	mu     sync.Mutex
	in     int // the request that is lost: 1 the next, 0 none
	answer bool
	down   bool // every request is lost

	server *httptest.Server
}

func newLossyProxy(t testing.TB, engine string) *lossyProxy {
	f := &lossyProxy{proxy: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: engine})}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	f.addr = f.server.Listener.Addr().String()
	return f
}

// lose makes the proxy lose the n-th request from now on, or only its answer; 0 loses none.
func (f *lossyProxy) lose(n int, answer bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.in, f.answer = n, answer
}

// outage loses every request and closes every connection while do changes the engine.
func (f *lossyProxy) outage(do func()) {
	set := func(down bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.down, f.answer = down, false
	}
	set(true)
	f.server.CloseClientConnections()
	do()
	set(false)
}

func (f *lossyProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	lost, answer := f.in == 1 || f.down, f.answer
	f.in = max(0, f.in-1)
	f.mu.Unlock()
	if !lost {
		f.proxy.ServeHTTP(w, r)
		return
	}
	if answer {
		f.proxy.ServeHTTP(httptest.NewRecorder(), r)
	}
	panic(http.ErrAbortHandler) // closes the connection without an answer
}

// lossyTransport loses the answer to the n-th commit of offsets from now on.
type lossyTransport struct {
	kafka.RoundTripper
	in atomic.Int64
}

var errLost = errors.New("the answer got lost")

func (d *lossyTransport) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	res, err := d.RoundTripper.RoundTrip(ctx, addr, req)
	if err == nil && req.ApiKey() == protocol.OffsetCommit && d.in.Add(-1) == 0 {
		return nil, errLost
	}
	return res, err
}

// assignment is the time in which one member owns every partition.
type assignment struct {
	*world
	member
	consumer  *Consumer
	commits   *lossyTransport
	cancel    context.CancelFunc // ends its workers as a crash does
	stop      context.CancelFunc // ends them when their batches under way are stored
	ctx       context.Context
	stopping  context.Context
	workers   map[int]*worker
	interrupt interruption
}

// worker is the work on one partition.
type worker struct {
	done chan struct{}
	err  error // valid once done is closed
}

// interruption takes effect when a point is reached for the n-th time. It ends the worker there, or holds it until free is closed.
type interruption struct {
	mu    sync.Mutex
	point string
	n     int
	hold  bool
	held  chan struct{} // closed when a worker is held
	free  chan struct{} // closed to let it go on
}

var errCrash = errors.New("crashed")

func (t *interruption) set(point string, n int, hold bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.point, t.n, t.hold = point, n, hold
	t.held, t.free = make(chan struct{}), make(chan struct{})
}

// disarm stops t from interrupting. A worker that is held stays held.
func (t *interruption) disarm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.point = ""
}

func (t *interruption) reached(_ int, point string) error {
	t.mu.Lock()
	if point == t.point {
		t.n--
	}
	struck, hold, held, free := point == t.point && t.n == 0, t.hold, t.held, t.free
	t.mu.Unlock()
	switch {
	case !struck:
		return nil
	case !hold:
		return errCrash
	}
	close(held)
	<-free
	return nil
}

// assign lets the member with the id, or a new one, join the group, which has no other member.
func (w *world) assign(id string, maxRows int) (*assignment, error) {
	m, err := w.join(id)
	if err != nil {
		return nil, err
	}
	opts := *w.opts
	opts.Addr = []string{w.proxy.addr}
	cfg := Defaults()
	cfg.Topic, cfg.Brokers, cfg.ClickHouse = w.topic, []string{w.broker.Addr()}, &opts
	cfg.MaxRows, cfg.MaxAge = maxRows, 5*time.Millisecond
	commits := &lossyTransport{RoundTripper: w.client.Transport}
	r := &assignment{
		world: w, member: m, commits: commits, workers: map[int]*worker{},
		consumer: New(cfg, &kafka.Client{Addr: w.client.Addr, Timeout: w.client.Timeout, Transport: commits}, w.log, prometheus.NewRegistry()),
	}
	if r.consumer.conn, err = clickhouse.Open(&opts); err != nil {
		return nil, err
	}
	r.consumer.fail = r.interrupt.reached
	r.interrupt.set("", 0, false)
	r.ctx, r.cancel = context.WithCancel(w.ctx)
	r.stopping, r.stop = context.WithCancel(r.ctx)
	return r, nil
}

// start begins the work on a partition, unless it has begun.
func (r *assignment) start(number, of int) {
	if r.workers[number] != nil {
		return
	}
	l := &worker{done: make(chan struct{})}
	r.workers[number] = l
	p := r.consumer.partition(number, r.member, of, &schemakafka.Log{Epochs: []schemakafka.Epoch{{}}})
	p.since = r.consumer.watch.add(p)
	go func() {
		defer close(l.done)
		l.err = p.run(r.ctx, ending{begin: r.stopping, stop: r.ctx})
	}()
}

// end waits for the workers to end, and returns the error of the first that failed.
func (r *assignment) end() (err error) {
	for _, l := range r.workers {
		<-l.done
		if err == nil && !errors.Is(l.err, context.Canceled) {
			err = l.err
		}
	}
	r.cancel()
	r.consumer.sink.Close()
	_ = r.consumer.conn.Close()
	return err
}

// join makes a new member of the group, or takes one into a new generation, and assigns it every partition.
func (w *world) join(id string) (member, error) {
	const kind, balancer = "consumer", "range"
	req := &kafka.JoinGroupRequest{
		GroupID: schemakafka.Group(w.topic), MemberID: id, SessionTimeout: 5 * time.Minute, RebalanceTimeout: time.Minute,
		ProtocolType: kind, Protocols: []kafka.GroupProtocol{{Name: balancer, Metadata: kafka.GroupProtocolSubscription{Topics: []string{w.topic}}}},
	}
	var joined *kafka.JoinGroupResponse
	err := w.persist("join the group", func() (err error) {
		if joined, err = w.client.JoinGroup(w.ctx, req); err != nil {
			return err
		}
		req.MemberID = joined.MemberID
		return joined.Error
	})
	if err != nil {
		return member{}, err
	}
	m := member{generation: joined.GenerationID, id: joined.MemberID}
	return m, w.persist("take the partitions", func() error {
		res, err := w.client.SyncGroup(w.ctx, &kafka.SyncGroupRequest{
			GroupID: req.GroupID, GenerationID: m.generation, MemberID: m.id, ProtocolType: kind, ProtocolName: balancer,
			Assignments: []kafka.SyncGroupRequestAssignment{{
				MemberID: m.id, Assignment: kafka.GroupProtocolAssignment{AssignedPartitions: map[string][]int{w.topic: {0, 1}}},
			}},
		})
		if err != nil {
			return err
		}
		return res.Error
	})
}

// evict removes a member from the group. The member does not notice.
func (w *world) evict(m member) error {
	return w.persist("leave the group", func() error {
		res, err := w.client.LeaveGroup(w.ctx, &kafka.LeaveGroupRequest{
			GroupID: schemakafka.Group(w.topic), Members: []kafka.LeaveGroupRequestMember{{ID: m.id}},
		})
		if err != nil {
			return err
		}
		return res.Error
	})
}

// forget deletes the group's offsets. The group must have no member.
func (w *world) forget(partitions ...int) error {
	return w.persist("erase the offsets", func() error {
		res, err := w.client.OffsetDelete(w.ctx, &kafka.OffsetDeleteRequest{
			GroupID: schemakafka.Group(w.topic), Topics: map[string][]int{w.topic: partitions},
		})
		if err != nil || errors.Is(res.Error, kafka.GroupIdNotFound) { // it has never had a member
			return err
		}
		return res.Error
	})
}

// append writes records to a partition, all in one request.
func (w *world) append(partition int, values [][]byte) (base int64, err error) {
	err = w.persist("append records", func() error {
		var records []kafka.Record
		for _, v := range values {
			records = append(records, kafka.Record{Value: kafka.NewBytes(v)})
		}
		res, err := w.client.Produce(w.ctx, &kafka.ProduceRequest{
			Topic: w.topic, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
		})
		if err != nil {
			return err
		}
		base = res.BaseOffset
		return res.Error
	})
	return base, err
}

// committed returns the group's offset in a partition.
func (w *world) committed(partition int) (int64, error) {
	res, err := w.client.OffsetFetch(w.ctx, &kafka.OffsetFetchRequest{
		GroupID: schemakafka.Group(w.topic), Topics: map[string][]int{w.topic: {partition}},
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return 0, err
	}
	return res.Topics[w.topic][0].CommittedOffset, nil
}

// persist repeats a request to Kafka while a new topic or group is not yet known to all brokers.
func (w *world) persist(what string, f func() error) error {
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && w.ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if err = f(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}
