package collector_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/ingest/collector"
	"github.com/activitylog/activitylog/schema"
)

const anEntry = `{"action_type":"a","serial":"s"}`

// refusedAtOnce fails unless a write is refused with 503 within 50 ms.
func (r *rig) refusedAtOnce(when string) {
	r.t.Helper()
	begin := time.Now()
	got := r.post(anEntry)
	took := time.Since(begin)
	after, _ := strconv.Atoi(got.Header.Get("Retry-After"))
	if got.Status != 503 || got.Code != 50301 || after < 1 || after > 3 || took > 50*time.Millisecond {
		r.t.Errorf("%s: %d %s, Retry-After %d, after %v", when, got.Status, got.Body, after, took)
	}
	if strings.Contains(got.Body, "127.0.0.1") || strings.Contains(got.Body, "dial") {
		r.t.Errorf("%s: the reply shows internals: %s", when, got.Body)
	}
}

func TestBrokerUnavailableAndBack(t *testing.T) {
	r := start(t, 4, nil).ready()
	acked := map[uint64]bool{}
	for range 8 {
		got := r.post(anEntry)
		if got.Status != 200 {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
		acked[got.ID] = true
	}
	for cycle := range 2 {
		time.Sleep(20 * time.Millisecond) // an idle collector does not notice
		r.broker.Stop()
		for i := range 5 {
			r.refusedAtOnce(fmt.Sprintf("cycle %d, request %d", cycle, i))
		}
		if err := r.c.Ready(t.Context()); err == nil {
			t.Error("ready without a broker")
		}
		r.broker.Start()
		r.ready()
		got := r.post(anEntry)
		if got.Status != 200 {
			t.Fatalf("after the broker is back: %d %s", got.Status, got.Body)
		}
		acked[got.ID] = true
	}
	entries, _ := r.log(4)
	if len(entries) != len(acked) {
		t.Errorf("%d entries in the log, %d acknowledged", len(entries), len(acked))
	}
	unique(t, entries)
}

func TestStartedBeforeItsBroker(t *testing.T) {
	bed := testbed.Kafka(t, 2)
	bed.Stop()
	r := startOn(t, at(bed), bed.Transport(), nil)
	r.refusedAtOnce("before the broker")
	if err := r.c.Ready(t.Context()); err == nil {
		t.Error("ready without a broker")
	}
	bed.Start()
	r.ready()
	if got := r.post(anEntry); got.Status != 200 {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// stored returns the entries that a consumer keeps: those whose id is above the last one of its block and partition.
func stored(entries []entry) map[uint64]int {
	kept := map[uint64]int{}
	last := map[[2]uint64]uint64{}
	for _, e := range entries {
		block := [2]uint64{uint64(e.Partition), schema.Block(e.ID)}
		if e.ID > last[block] {
			last[block] = e.ID
			kept[e.ID]++
		}
	}
	return kept
}

func TestNothingLostUnderLoad(t *testing.T) {
	r := start(t, 4, func(c *collector.Config) { c.AckTimeout = 5 * time.Second }).ready()
	var (
		mu      sync.Mutex
		acked   []uint64
		refused atomic.Int64
		wg      sync.WaitGroup
	)
	ctx, cancel := context.WithCancel(t.Context())
	for worker := range 8 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				body := fmt.Sprintf(`{"action_type":"a","serial":"w%d-%d"}`, worker, i)
				if i%4 == 0 {
					body = "[" + body + "," + anEntry + "," + body + "]"
				}
				got, err := r.tryPost(body)
				switch {
				case err != nil:
					t.Error(err)
					return
				case got.Status == http.StatusOK:
					mu.Lock()
					if got.IDs == nil {
						acked = append(acked, got.ID)
					}
					for _, id := range got.IDs {
						if id != nil {
							acked = append(acked, *id)
						}
					}
					mu.Unlock()
				case got.Status == http.StatusServiceUnavailable, got.Status == http.StatusGatewayTimeout:
					refused.Add(1)
					time.Sleep(time.Millisecond)
				default:
					t.Errorf("%d %s", got.Status, got.Body)
					return
				}
			}
		})
	}
	for range 3 {
		time.Sleep(150 * time.Millisecond)
		r.broker.Disconnect()
		time.Sleep(50 * time.Millisecond)
		r.broker.Stop()
		time.Sleep(50 * time.Millisecond)
		r.broker.Start()
		r.ready()
	}
	time.Sleep(100 * time.Millisecond)
	cancel()
	wg.Wait()
	r.stop()
	entries, _ := r.log(4)
	kept := stored(entries)
	for _, id := range acked {
		if kept[id] != 1 {
			t.Fatalf("acknowledged id %d is kept %d times", id, kept[id])
		}
	}
	if len(acked) == 0 || refused.Load() == 0 {
		t.Errorf("%d acknowledged, %d refused: the test has no power", len(acked), refused.Load())
	}
	t.Logf("%d acknowledged, %d kept, %d copies in the log, %d requests refused", len(acked), len(kept), len(entries), refused.Load())
}

func TestStopRespondsToEveryCaller(t *testing.T) {
	r := start(t, 4, nil).ready()
	var wg sync.WaitGroup
	var mu sync.Mutex
	acked := map[uint64]bool{}
	for range 16 {
		wg.Go(func() {
			for {
				got, err := r.tryPost(anEntry)
				if err != nil {
					t.Error(err)
					return
				}
				if got.Status == http.StatusServiceUnavailable {
					return
				}
				mu.Lock()
				acked[got.ID] = true
				mu.Unlock()
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	begin := time.Now()
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	r.cancel()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("a caller still waits")
	}
	r.stop()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("stopping took %v", took)
	}
	entries, _ := r.log(4)
	kept := unique(t, entries)
	for id := range acked {
		if _, ok := kept[id]; !ok {
			t.Errorf("acknowledged id %d is not in the log", id)
		}
	}
}

// lossy is a connection that loses the responses to the next armed produce requests: the request arrives, then the connection breaks.
type lossy struct {
	net.Conn
	armed *atomic.Int32 // produce responses still to lose
	topic string
	lose  bool
}

func (c *lossy) Write(b []byte) (int, error) {
	const apiProduce = 0
	if len(b) > 6 && binary.BigEndian.Uint16(b[4:]) == apiProduce && bytes.Contains(b, []byte("\x00"+string(rune(len(c.topic)))+c.topic+"\x00")) {
		c.lose = c.armed.Add(-1) >= 0
	}
	return c.Conn.Write(b)
}

func (c *lossy) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.lose && n > 0 {
		_ = c.Close()
		return 0, io.EOF
	}
	return n, err
}

func TestUnacknowledgedBatchIsSentAgainByteForByte(t *testing.T) {
	bed := testbed.Kafka(t, 1)
	transport := bed.Transport()
	armed := new(atomic.Int32)
	transport.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return &lossy{Conn: conn, armed: armed, topic: bed.Topic()}, err
	}
	r := startOn(t, at(bed), transport, nil).ready()
	armed.Store(3)
	got := r.post(`[` + anEntry + `,` + anEntry + `]`)
	if got.Status != 200 || got.Accepted != 2 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	entries, values := r.log(1)
	if len(values) != 4 || len(entries) != 8 {
		t.Fatalf("%d records and %d entries in the log, want 4 copies of one record", len(values), len(entries))
	}
	for _, v := range values[1:] {
		if !bytes.Equal(v, values[0]) {
			t.Error("a copy differs")
		}
	}
	if kept := stored(entries); len(kept) != 2 || kept[*got.IDs[0]] != 1 || kept[*got.IDs[1]] != 1 {
		t.Errorf("kept %v of ids %s", kept, got.Body)
	}
	if want := "p0:3"; got.Header.Get(schema.PositionHeader) != want {
		t.Errorf("position %s, want %s", got.Header.Get(schema.PositionHeader), want)
	}
}

func TestUnknownOutcome(t *testing.T) {
	bed := testbed.Kafka(t, 1)
	transport := bed.Transport()
	armed := new(atomic.Int32)
	transport.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return &lossy{Conn: conn, armed: armed, topic: bed.Topic()}, err
	}
	r := startOn(t, at(bed), transport, func(c *collector.Config) { c.AckTimeout = 300 * time.Millisecond }).ready()
	armed.Store(1 << 20)
	got := r.post(anEntry, "Idempotency-Key", "k")
	if got.Status != 504 || got.Code != 50401 || !strings.Contains(got.Message, "may still be kept") || got.Header.Get("Retry-After") != "" {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	r.refusedAtOnce("while the outcome of the first is not known")
	armed.Store(0)
	r.ready()
	again := r.post(anEntry, "Idempotency-Key", "k")
	if again.Status != 200 {
		t.Fatalf("%d %s", again.Status, again.Body)
	}
	entries, _ := r.log(1)
	if kept := stored(entries); len(kept) != 1 || kept[again.ID] != 1 {
		t.Errorf("kept %v, answered %d", kept, again.ID)
	}
}

// unanswered runs a collector that waits no time at all for Kafka: nearly every write ends with an outcome that is not known yet.
func unanswered(t *testing.T) *rig {
	t.Helper()
	return start(t, 2, func(c *collector.Config) { c.AckTimeout = time.Nanosecond }).ready()
}

// settled waits until the log holds as many entries, and no more come.
func (r *rig) settled(partitions, want int) {
	r.t.Helper()
	var entries []entry
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if entries, _ = r.log(partitions); len(entries) >= want {
			break
		}
	}
	r.stop()
	if entries, _ = r.log(partitions); len(entries) != want {
		r.t.Errorf("%d entries in the log, want %d", len(entries), want)
	}
}

// TestUnknownOutcomeIs504 checks that a write that may be kept is never answered 503, in any dialect, alone and in a batch.
func TestUnknownOutcomeIs504(t *testing.T) {
	r := unanswered(t)
	const n = 20
	late := map[string]int{}
	for i := range n {
		got := r.post(fmt.Sprintf(`{"action_type":"ackto","username":"n%d"}`, i))
		switch {
		case got.Status == 200:
		case got.Status == 504 && got.Code == 50401 && string(got.Data) == "null":
			late["fleet"]++
		default:
			t.Errorf("fleet: %d %s", got.Status, got.Body)
		}
		got = r.post(`[{"action_type":"a","serial":"1"},{},{"action_type":"a","serial":"2"}]`)
		if got.Status != 200 && (got.Status != 504 || got.Code != 50401 || got.Rejected != 3) {
			t.Errorf("fleet batch: %d %s", got.Status, got.Body)
		}
		for _, e := range got.Errors {
			switch {
			case e.Index == 1 && e.Code == 40001:
			case e.Index != 1 && e.Code == 50401 && strings.Contains(e.Message, "may still be kept"):
				late["fleet batch"]++
			default:
				t.Errorf("fleet batch: entry %d is answered %d %s", e.Index, e.Code, e.Message)
			}
		}
		status, header, _, text := r.audit("", `{"action":"a"}`)
		switch {
		case status == 201:
		case status == 504 && strings.Contains(text, "may still be kept") && header.Get("Retry-After") == "":
			late["audit"]++
		default:
			t.Errorf("audit: %d %s", status, text)
		}
		status, _, data, text := r.audit("/batch", `[{"action":"a"},{"action":"a","serial":"1"}]`)
		switch {
		case status == 200:
		case status == 504 && strings.Contains(text, `"index":0,"field":"entry","code":"TIMEOUT"`) && len(data.IDs) == 0:
			late["audit batch"]++
		default:
			t.Errorf("audit batch: %d %s", status, text)
		}
	}
	for _, dialect := range []string{"fleet", "fleet batch", "audit", "audit batch"} {
		if late[dialect] == 0 {
			t.Errorf("%s: every outcome was known, so the test has no power", dialect)
		}
	}
	r.settled(2, n*(1+2+1+2))
}

// TestRepeatOfAnUnknownOutcome checks that a repeat which comes while the first is still being written is not told that nothing
// was accepted, and that the repeats are one entry.
func TestRepeatOfAnUnknownOutcome(t *testing.T) {
	r := unanswered(t)
	for range 10 {
		got := r.post(anEntry, "Idempotency-Key", "k")
		if got.Status != 200 && (got.Status != 504 || got.Code != 50401) {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	}
	r.settled(2, 1)
}

// limitBatches makes the broker refuse batches beyond the limit.
func (r *rig) limitBatches(bytes int) {
	r.t.Helper()
	res, err := r.kafka.IncrementalAlterConfigs(r.t.Context(), &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: r.topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "max.message.bytes", Value: strconv.Itoa(bytes), ConfigOperation: kafka.ConfigOperationSet}},
		}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, x := range res.Resources {
		if x.Error != nil {
			r.t.Fatal(x.Error)
		}
	}
}

func TestBrokerTakesSmallerBatches(t *testing.T) {
	r := start(t, 1, nil).ready()
	var b strings.Builder
	const n = 3000
	for i := range n {
		fmt.Fprintf(&b, `{"action_type":"a%d","action_detail":"%s"}`+"\n", i, strings.Repeat("x", 200))
	}
	ndjson := []string{"Content-Type", "application/x-ndjson"}
	r.limitBatches(200_000)
	got := r.post(b.String(), ndjson...)
	if got.Status != 200 || got.Accepted != n {
		t.Fatalf("%d, accepted %d: %.200s", got.Status, got.Accepted, got.Body)
	}
	entries, _ := r.log(1)
	byID := unique(t, entries)
	for i, id := range got.IDs {
		if e := byID[*id]; e.Action != fmt.Sprintf("a%d", i) {
			t.Fatalf("id %d of item %d is %v", *id, i, e)
		}
	}
	if len(entries) != n {
		t.Errorf("%d entries in the log, want %d", len(entries), n)
	}
	r.limitBatches(1000)
	got = r.post(`{"action_type":"a","action_detail":"` + strings.Repeat("x", 2000) + `"}`)
	if got.Status != 413 || got.Code != 41301 {
		t.Errorf("an entry beyond the broker's limit: %d %s", got.Status, got.Body)
	}
	if got = r.post(anEntry); got.Status != 200 {
		t.Errorf("after it: %d %s", got.Status, got.Body)
	}
}

func TestFollowsNewPartitions(t *testing.T) {
	r := start(t, 1, nil).ready()
	if got := r.post(anEntry); got.Status != 200 {
		t.Fatal(got.Body)
	}
	_, err := r.broker.Client().CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: r.topic, Count: 3}},
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[byte]bool{}
	for deadline := time.Now().Add(20 * time.Second); len(seen) < 3 && time.Now().Before(deadline); {
		for i := range 20 {
			got := r.post(fmt.Sprintf(`{"action_type":"a","serial":"s%d"}`, i))
			if got.Status != 200 {
				t.Fatal(got.Body)
			}
			seen[got.Header.Get(schema.PositionHeader)[1]] = true
		}
		time.Sleep(50 * time.Millisecond)
	}
	if len(seen) != 3 {
		t.Errorf("wrote to %d partitions, want 3", len(seen))
	}
}

// BenchmarkSingles posts one entry a request over 64 connections; compare it with the same over /noop.
func BenchmarkSingles(b *testing.B) {
	r := start(b, 4, nil).ready()
	addr := strings.TrimPrefix(r.server.URL, "http://")
	request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(example), example)
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		wg.Go(func() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			buf := make([]byte, 4096)
			for left.Add(-1) >= 0 {
				if _, err := io.WriteString(conn, request); err != nil {
					b.Error(err)
					return
				}
				if n, err := conn.Read(buf); err != nil || !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 200")) {
					b.Errorf("%v %s", err, buf[:n])
					return
				}
			}
		})
	}
	wg.Wait()
}
