package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// bed is a broker and a database of one test, a producer, and a model of what should be stored.
type bed struct {
	t          testing.TB
	opts       *clickhouse.Options
	conn       driver.Conn
	broker     *testbed.Broker
	client     *kafka.Client
	partitions int
	base       int64 // of the log's last epoch

	mu   sync.Mutex
	id   uint64
	want map[uint64]sent
}

type sent struct {
	partition int
	offset    int64
	tenant    string
	timestamp int64
	entry     schema.Entry
	received  int64 // Unix ms
}

func newBed(t testing.TB, partitions int) *bed {
	t.Helper()
	b := bareBed(t, partitions)
	if _, err := tables.Migrate(t.Context(), b.opts); err != nil {
		t.Fatal(err)
	}
	return b
}

// bareBed has a database without tables.
func bareBed(t testing.TB, partitions int) *bed {
	t.Helper()
	opts, err := clickhouse.ParseDSN(testbed.ClickHouse(t))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	broker := testbed.Kafka(t, partitions)
	b := &bed{
		t: t, opts: opts, conn: conn, broker: broker, client: broker.Client(), partitions: partitions,
		id: 7 * schema.IDBlock, want: map[uint64]sent{},
	}
	broker.Lease(20)
	return b
}

// consumer runs a consumer until stop is called or the test ends.
func (b *bed) consumer(change ...func(*Consumer)) (c *Consumer, stop func()) {
	b.t.Helper()
	cfg := Defaults()
	cfg.Topic, cfg.Brokers, cfg.ClickHouse, cfg.SessionTimeout = b.broker.Topic(), []string{b.broker.Addr()}, b.opts, 2*time.Second
	if err := cfg.Validate(); err != nil {
		b.t.Fatal(err)
	}
	c = New(cfg, b.broker.Client(), slog.New(slog.NewTextHandler(b.t.Output(), nil)), prometheus.NewRegistry())
	for _, f := range change {
		f(c)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				b.t.Errorf("Run() = %v, want nil", err)
			}
		case <-time.After(20 * time.Second):
			b.t.Error("Run() has not returned 20 s after its context ended")
		}
	})
	b.t.Cleanup(stop)
	return c, stop
}

// entry returns the i-th of the test's entries. They vary in everything that the rollups count by.
func entry(i int) schema.Entry {
	e := schema.Entry{
		Timestamp: 1_760_000_000_000 + int64(i)*137_000, Action: fmt.Sprintf("action-%d", i%5), Platform: []string{"ios", "android", ""}[i%3],
		Device: fmt.Sprintf("SN-%d", i%7), ActorID: fmt.Sprintf("u%d", i%4), Detail: fmt.Sprintf("detail %d", i),
		Targets: []schema.Target{{Type: "door", ID: "1"}, {Type: "door", ID: "2"}, {Type: "room", ID: "x"}}[:i%4],
	}
	if i%2 == 0 {
		e.ActorName, e.Details = fmt.Sprintf("name %d", i%6), fmt.Sprintf(`{"i": %d}`, i)
	}
	return e
}

// value returns a record of n new entries of a tenant, and their ids.
func (b *bed) value(tenant string, n int, keys ...*schema.EventKey) (value []byte, first uint64, entries []schema.Entry) {
	var c schema.Chunk
	c.Reset(tenant, time.Now().UnixMilli())
	b.mu.Lock()
	first = b.id
	b.id += uint64(n)
	b.mu.Unlock()
	for i := range n {
		e := entry(int(first) + i)
		entries = append(entries, e)
		var key *schema.EventKey
		if i < len(keys) {
			key = keys[i]
		}
		c.Add(&e, key)
	}
	c.Seal(first)
	return schema.AppendChunk(schema.AppendRecordHeader(nil), &c), first, entries
}

// send writes n new entries as one record and expects them to be stored.
func (b *bed) send(partition int, tenant string, n int) (ids []uint64, value []byte) {
	b.t.Helper()
	value, first, entries := b.value(tenant, n)
	offset := b.produce(partition, value)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, e := range entries {
		id := first + uint64(i)
		ids = append(ids, id)
		b.want[id] = sent{partition, offset, tenant, e.Timestamp, e, time.Now().UnixMilli()}
	}
	return ids, value
}

// produce writes one record and returns its offset.
func (b *bed) produce(partition int, value []byte) int64 {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		res, err := b.client.Produce(b.t.Context(), &kafka.ProduceRequest{
			Topic: b.broker.Topic(), Partition: partition, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes(value)}),
		})
		if err == nil {
			err = res.Error
		}
		if err == nil {
			return res.BaseOffset
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("produce: %v", err)
		}
	}
}

// erase sends a command that deletes the ids, or all of the tenant's entries in the partition, and removes them from the model.
func (b *bed) erase(partition int, tenant string, ids ...uint64) (value []byte) {
	b.t.Helper()
	cmd := &activitypb.Command{Id: fmt.Appendf(nil, "%016d", b.nextID()), Tenant: tenant, Before: b.base + b.end(partition)}
	b.mu.Lock()
	for id, s := range b.want {
		if s.partition != partition || s.tenant != tenant || len(ids) > 0 && !slices.Contains(ids, id) {
			continue
		}
		if len(ids) > 0 {
			cmd.Refs = append(cmd.Refs, &activitypb.Ref{Id: id, Timestamp: s.timestamp})
		}
		delete(b.want, id)
	}
	b.mu.Unlock()
	value, err := schema.AppendCommand(nil, cmd)
	if err != nil {
		b.t.Fatal(err)
	}
	b.produce(partition, value)
	return value
}

// eraseMatch sends a command that deletes the entries of m, removes them from the model, and returns how many they are.
func (b *bed) eraseMatch(partition int, tenant string, m schema.Match) (taken int) {
	b.t.Helper()
	cmd := &activitypb.Command{
		Id: fmt.Appendf(nil, "%016d", b.nextID()), Tenant: tenant, Before: b.base + b.end(partition), Match: m.Proto(), Counted: true,
		IssuedAt: time.Now().UnixMilli(),
	}
	b.mu.Lock()
	for id, s := range b.want {
		if s.partition == partition && s.tenant == tenant && means(m, s.entry, s.received) {
			delete(b.want, id)
			taken++
		}
	}
	b.mu.Unlock()
	b.produce(partition, packedCommand(b.t, cmd))
	return taken
}

// sendEntry writes one entry and expects it to be stored.
func (b *bed) sendEntry(partition int, tenant string, e schema.Entry) {
	b.t.Helper()
	id, now := b.nextID(), time.Now().UnixMilli()
	var c schema.Chunk
	c.Reset(tenant, now)
	c.Add(&e, nil)
	c.Seal(id)
	offset := b.produce(partition, schema.AppendChunk(schema.AppendRecordHeader(nil), &c))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.want[id] = sent{partition, offset, tenant, e.Timestamp, e, now}
}

func (b *bed) nextID() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.id++
	return b.id - 1
}

// end returns the offset that the partition's next record gets.
func (b *bed) end(partition int) (end int64) {
	b.t.Helper()
	b.await("the log's end", func() error {
		res, err := b.client.ListOffsets(b.t.Context(), &kafka.ListOffsetsRequest{
			Topics: map[string][]kafka.OffsetRequest{b.broker.Topic(): {kafka.LastOffsetOf(partition)}},
		})
		if err != nil {
			return err
		}
		end = res.Topics[b.broker.Topic()][0].LastOffset
		return res.Topics[b.broker.Topic()][0].Error
	})
	return end
}

// committed returns the group's offset and metadata.
func (b *bed) committed(group string, partition int) (int64, string) {
	res, err := b.client.OffsetFetch(b.t.Context(), &kafka.OffsetFetchRequest{
		GroupID: group, Topics: map[string][]int{b.broker.Topic(): {partition}},
	})
	if err != nil || res.Error != nil || len(res.Topics[b.broker.Topic()]) != 1 {
		return -1, ""
	}
	at := res.Topics[b.broker.Topic()][0]
	return at.CommittedOffset, at.Metadata
}

// drain waits until the group has committed everything in the log.
func (b *bed) drain(groups ...string) {
	b.t.Helper()
	group := schemakafka.Group(b.broker.Topic())
	if len(groups) > 0 {
		group = groups[0]
	}
	b.await("the log to be stored", func() error {
		for p := range b.partitions {
			if at, end := first(b.committed(group, p)), b.end(p); at != end && end > 0 {
				return fmt.Errorf("partition %d: committed %d of %d", p, at, end)
			}
		}
		return nil
	})
}

func first(n int64, _ string) int64 { return n }

func (b *bed) await(what string, f func() error) {
	b.t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	b.t.Fatalf("waited 20 s for %s: %v", what, err)
}

// check compares the tables with the model, and the rollups with the entries.
func (b *bed) check() {
	b.t.Helper()
	if err := exact(b.t.Context(), b.conn, b.want); err != nil {
		b.t.Error(err)
	}
}

// numbers runs a query whose answer is one row of integers.
func numbers(ctx context.Context, conn driver.Conn, n int, query string) ([]int64, error) {
	values, into := make([]int64, n), make([]any, n)
	for i := range values {
		into[i] = &values[i]
	}
	if err := conn.QueryRow(ctx, query).Scan(into...); err != nil {
		return nil, fmt.Errorf("%.60s: %w", query, err)
	}
	return values, nil
}

// groupsOff counts the groups of a rollup that differ from the entries.
func groupsOff(r tables.Rollup) string {
	return "SELECT toInt64(count()) FROM (SELECT sum(n) AS d FROM (" + r.Select("true") +
		" UNION ALL SELECT " + r.Key() + ", -n FROM " + r.Table + ") GROUP BY " + r.Key() + " HAVING d != 0)"
}

// exact returns how the tables differ from want: entries that are lost, not expected or stored twice, and wrong counts in rollups.
func exact(ctx context.Context, conn driver.Conn, want map[uint64]sent) error {
	rows, err := conn.Query(ctx, "SELECT id FROM activity")
	if err != nil {
		return err
	}
	defer rows.Close()
	got, twice := map[uint64]bool{}, 0
	for rows.Next() {
		var id uint64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		if got[id] {
			twice++
		}
		got[id] = true
	}
	var all []error
	if twice > 0 {
		all = append(all, fmt.Errorf("got %d entries twice, want 0", twice))
	}
	if lost := missing(want, got); len(lost) > 0 {
		all = append(all, fmt.Errorf("got %d entries lost, want 0: %v", len(lost), lost[:min(5, len(lost))]))
	}
	if extra := missing(got, want); len(extra) > 0 {
		all = append(all, fmt.Errorf("got %d entries that should not be there, want 0: %v", len(extra), extra[:min(5, len(extra))]))
	}
	for name, query := range map[string]string{
		"locations used twice":                             "SELECT toInt64(count() - uniqExact(kpart, koff, kidx)) FROM activity",
		"groups of by_kind that differ from the entries":   groupsOff(tables.ByKind),
		"groups of by_entity that differ from the entries": groupsOff(tables.ByEntity),
	} {
		n, err := numbers(ctx, conn, 1, query)
		if err != nil {
			return err
		}
		if n[0] != 0 {
			all = append(all, fmt.Errorf("got %d %s, want 0", n[0], name))
		}
	}
	return errors.Join(all...)
}

func missing[A, B any](from map[uint64]A, in map[uint64]B) []uint64 {
	var out []uint64
	for _, id := range slices.Sorted(maps.Keys(from)) {
		if _, ok := in[id]; !ok {
			out = append(out, id)
		}
	}
	return out
}

// failing makes a consumer fail at a point, times times.
func failing(point string, times int) func(*Consumer) {
	var mu sync.Mutex
	return func(c *Consumer) {
		c.fail = func(_ int, at string) error {
			mu.Lock()
			defer mu.Unlock()
			if at != point || times == 0 {
				return nil
			}
			times--
			return fmt.Errorf("cut off %s", at)
		}
	}
}
