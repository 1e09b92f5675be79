package relay

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/activitylog/activitylog/deploy/embedded/broker"
)

// echo starts a server that answers each line with itself.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	return l.Addr().String()
}

func open(t *testing.T, target string) *Relay {
	t.Helper()
	r, err := Open(t.Context(), target, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// ask sends a line and waits up to timeout for the response.
func ask(t *testing.T, r *Relay, timeout time.Duration) (string, error) {
	t.Helper()
	c, err := net.Dial("tcp", r.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(timeout))
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return "", err
	}
	return bufio.NewReader(c).ReadString('\n')
}

func TestEachFaultIsSeenAndCounted(t *testing.T) {
	r := open(t, echo(t))
	for _, c := range []struct {
		name   string
		faults Faults
		passes bool
		count  func(Counts) int64
	}{
		{"none", Faults{}, true, func(c Counts) int64 { return 1 - c.Sum() }},
		{"delay", Faults{Delay: 20 * time.Millisecond}, true, func(c Counts) int64 { return c.Delayed }},
		{"drop", Faults{Drop: 1}, false, func(c Counts) int64 { return c.Dropped }},
		{"break", Faults{Break: 1}, false, func(c Counts) int64 { return c.Broken }},
	} {
		r.Set(c.faults)
		got, err := ask(t, r, 10*time.Second)
		if passes := err == nil && got == "hello\n"; passes != c.passes {
			t.Errorf("%s: got %q, %v; passes %v, want %v", c.name, got, err, passes, c.passes)
		}
		if n := c.count(r.Counts()); n != 1 {
			t.Errorf("%s: counted %d, want 1", c.name, n)
		}
	}
}

func TestSilenceEndsWhenItIsLifted(t *testing.T) {
	r := open(t, echo(t))
	r.Set(Faults{Hang: true})
	answer := make(chan error, 1)
	go func() { _, err := ask(t, r, 20*time.Second); answer <- err }()
	for r.Counts().Hung == 0 {
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-answer:
		t.Fatalf("answered while silent: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	r.Set(Faults{})
	if err := <-answer; err != nil {
		t.Errorf("after the silence: %v", err)
	}
}

func TestCloseEndsWhatIsHeldBack(t *testing.T) {
	r := open(t, echo(t))
	r.Set(Faults{Hang: true})
	done := make(chan error, 1)
	go func() { _, err := ask(t, r, 20*time.Second); done <- err }()
	for r.Counts().Hung == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := r.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	<-done
}

func TestABodyThatBreaksOffNeverArrivesWhole(t *testing.T) {
	whole := make(chan bool, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, err := io.Copy(io.Discard, req.Body)
		whole <- err == nil
	}))
	defer srv.Close()
	r := open(t, strings.TrimPrefix(srv.URL, "http://"))
	r.Set(Faults{Break: 0.5})
	res, err := http.Post("http://"+r.Addrs()[0], "text/plain", strings.NewReader(strings.Repeat("x", 4<<20)))
	if err == nil {
		res.Body.Close()
		t.Errorf("POST = %v, want an error", res.Status)
	}
	select {
	case ok := <-whole:
		if ok {
			t.Error("the server read a whole body")
		}
	case <-time.After(10 * time.Second): // it broke off within the head
	}
}

const topic = "t"

// cluster returns a client of a broker behind a relay.
func cluster(t *testing.T) (*Relay, *kafka.Client, *kafka.Client) {
	t.Helper()
	b, err := broker.Open(t.Context(), broker.Config{DataDir: t.TempDir(), NoPassword: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	r, err := OpenKafka(t.Context(), []string{b.Addr()}, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	through, direct := kafkaClient(t, r.Addrs()[0]), kafkaClient(t, b.Addr())
	if _, err := direct.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}}}); err != nil {
		t.Fatal(err)
	}
	return r, through, direct
}

func kafkaClient(t *testing.T, addr string) *kafka.Client {
	transport := &kafka.Transport{MetadataTTL: 50 * time.Millisecond}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(addr), Transport: transport, Timeout: 10 * time.Second}
}

func write(ctx context.Context, c *kafka.Client) error {
	res, err := c.Produce(ctx, &kafka.ProduceRequest{Topic: topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte("x"))})})
	if err != nil {
		return err
	}
	return res.Error
}

func end(t *testing.T, c *kafka.Client) int64 {
	t.Helper()
	res, err := c.ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(0)}}})
	if err != nil {
		t.Fatal(err)
	}
	return res.Topics[topic][0].LastOffset
}

func TestKafkaPassesThroughTheRelayAlone(t *testing.T) {
	r, through, _ := cluster(t)
	if err := write(t.Context(), through); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(r.Addrs()[0])
	meta, err := through.Metadata(t.Context(), &kafka.MetadataRequest{})
	if err != nil || len(meta.Brokers) != 1 || strconv.Itoa(meta.Brokers[0].Port) != port {
		t.Errorf("Metadata() = %+v, %v; want the one broker at port %s", meta, err, port)
	}
	co, err := through.FindCoordinator(t.Context(), &kafka.FindCoordinatorRequest{Key: "g", KeyType: kafka.CoordinatorKeyTypeConsumer})
	if err != nil || strconv.Itoa(co.Coordinator.Port) != port {
		t.Errorf("FindCoordinator() = %+v, %v; want port %s", co, err, port)
	}
}

func TestProduceIsAnsweredWithWhatIsWanted(t *testing.T) {
	r, through, direct := cluster(t)
	want := int64(0)
	for _, c := range []struct {
		name   string
		faults Faults
		err    error // nil: some
		stored int64
	}{
		{"refused", Faults{Refuse: kafka.NotLeaderForPartition, Share: 1}, kafka.NotLeaderForPartition, 0},
		{"denied", Faults{Deny: kafka.NotEnoughReplicasAfterAppend, Share: 1}, kafka.NotEnoughReplicasAfterAppend, 1},
		{"lost", Faults{Drop: 1, Kinds: []protocol.ApiKey{protocol.Produce}}, nil, 1},
	} {
		r.Set(c.faults)
		err := write(t.Context(), through)
		if err == nil || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: Produce() = %v, want %v", c.name, err, c.err)
		}
		r.Set(Faults{})
		if want += c.stored; end(t, direct) != want {
			t.Errorf("%s: the log ends at %d, want %d", c.name, end(t, direct), want)
		}
	}
	if got := r.Counts(); got.Refused != 1 || got.Denied != 1 || got.Dropped != 1 {
		t.Errorf("Counts() = %+v, want 1 refused, denied and dropped", got)
	}
	if err := write(t.Context(), through); err != nil {
		t.Errorf("after the faults: %v", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 1, 2, 3})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= 4 && (b[0] > 0 || b[1] > 1) {
			return // within the announced size
		}
		frame, err := readFrame(strings.NewReader(string(b)))
		if err == nil && !strings.HasPrefix(string(b), string(frame)) {
			t.Errorf("readFrame(%x) = %x", b, frame)
		}
	})
}
