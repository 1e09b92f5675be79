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

// world is a topic, its group and a database, in which a test moves the members of the group step by step: every request
// goes to the real broker and the real engine, but no member acts unless it is told to, and answers get lost on demand.
type world struct {
	ctx    context.Context
	topic  string
	broker *testbed.Broker
	client *kafka.Client // loses no answer
	conn   driver.Conn   // the same
	opts   *clickhouse.Options
	front  *front
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
		conn: conn, opts: opts, front: newFront(t, opts.Addr[0]), log: slog.New(slog.DiscardHandler),
	}
	if err := schemakafka.Create(t.Context(), w.client, schemakafka.Topics(w.topic, partitions, 24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	return w
}

// front stands before the engine and loses requests, or the answers to them.
type front struct {
	addr  string
	proxy http.Handler

	mu     sync.Mutex
	in     int // the request that is lost: 1 the next, 0 none
	answer bool
}

func newFront(t testing.TB, engine string) *front {
	f := &front{proxy: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: engine})}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.addr = server.Listener.Addr().String()
	return f
}

// lose loses the n-th request from now on, or only the answer to it; none with 0.
func (f *front) lose(n int, answer bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.in, f.answer = n, answer
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	lost, answer := f.in == 1, f.answer
	f.in = max(0, f.in-1)
	f.mu.Unlock()
	if !lost {
		f.proxy.ServeHTTP(w, r)
		return
	}
	if answer {
		f.proxy.ServeHTTP(httptest.NewRecorder(), r)
	}
	panic(http.ErrAbortHandler) // ends the connection without a word
}

// deaf is a transport that loses the answer to the n-th commit of offsets from now on.
type deaf struct {
	kafka.RoundTripper
	in atomic.Int64
}

var errDeaf = errors.New("the answer got lost")

func (d *deaf) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	res, err := d.RoundTripper.RoundTrip(ctx, addr, req)
	if err == nil && req.ApiKey() == protocol.OffsetCommit && d.in.Add(-1) == 0 {
		return nil, errDeaf
	}
	return res, err
}

// reign is the time in which one member owns every partition.
type reign struct {
	*world
	member
	consumer *Consumer
	hearing  *deaf
	cancel   context.CancelFunc // ends its lives as a crash does
	stop     context.CancelFunc // ends them when they have stored what they took
	ctx      context.Context
	stopping context.Context
	lives    map[int]*life
	trap     trap
}

// life is the work on one partition.
type life struct {
	done chan struct{}
	err  error // once done is closed
}

// trap strikes when a point has been reached for the n-th time: the life is ended there, or held until it is let go.
type trap struct {
	mu    sync.Mutex
	point string
	n     int
	hold  bool
	held  chan struct{} // closed when a life is held
	free  chan struct{} // closed to let it go on
}

var errCrash = errors.New("crashed")

func (t *trap) set(point string, n int, hold bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.point, t.n, t.hold = point, n, hold
	t.held, t.free = make(chan struct{}), make(chan struct{})
}

// disarm makes t strike no more. What it holds stays held.
func (t *trap) disarm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.point = ""
}

func (t *trap) reached(_ int, point string) error {
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

// crown lets the member with the id, or a new one, join the group, which has no other one.
func (w *world) crown(id string, maxRows int) (*reign, error) {
	m, err := w.join(id)
	if err != nil {
		return nil, err
	}
	opts := *w.opts
	opts.Addr = []string{w.front.addr}
	cfg := Defaults()
	cfg.Topic, cfg.Brokers, cfg.ClickHouse = w.topic, []string{w.broker.Addr()}, &opts
	cfg.MaxRows, cfg.MaxAge = maxRows, 5*time.Millisecond
	hearing := &deaf{RoundTripper: w.client.Transport}
	r := &reign{
		world: w, member: m, hearing: hearing, lives: map[int]*life{},
		consumer: New(cfg, &kafka.Client{Addr: w.client.Addr, Timeout: w.client.Timeout, Transport: hearing}, w.log, prometheus.NewRegistry()),
	}
	if r.consumer.conn, err = clickhouse.Open(&opts); err != nil {
		return nil, err
	}
	r.consumer.fail = r.trap.reached
	r.trap.set("", 0, false)
	r.ctx, r.cancel = context.WithCancel(w.ctx)
	r.stopping, r.stop = context.WithCancel(r.ctx)
	return r, nil
}

// start begins to work on a partition, unless that is being done.
func (r *reign) start(number, of int) {
	if r.lives[number] != nil {
		return
	}
	l := &life{done: make(chan struct{})}
	r.lives[number] = l
	p := r.consumer.partition(number, r.member, of)
	p.since = r.consumer.watch.add(p)
	go func() {
		defer close(l.done)
		l.err = p.run(r.ctx, r.stopping)
	}()
}

// end waits for the lives to end, and says how the first one to fail did.
func (r *reign) end() (err error) {
	for _, l := range r.lives {
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

// join makes a member of the group, or takes one into a new generation, and has it assigned everything.
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

// depose takes a member out of the group, which it does not notice.
func (w *world) depose(m member) error {
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

// forget erases the group's offsets. It must have no member.
func (w *world) forget(partitions ...int) error {
	return w.persist("erase the offsets", func() error {
		res, err := w.client.OffsetDelete(w.ctx, &kafka.OffsetDeleteRequest{
			GroupID: schemakafka.Group(w.topic), Topics: map[string][]int{w.topic: partitions},
		})
		if err != nil || errors.Is(res.Error, kafka.GroupIdNotFound) { // nobody has ever been a member
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

// committed is the group's offset in a partition.
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

// persist repeats what asks Kafka while a new topic or group is not known everywhere yet.
func (w *world) persist(what string, f func() error) error {
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && w.ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if err = f(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}
