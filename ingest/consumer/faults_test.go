package consumer

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

func TestEventKeysAreStoredOnceAcrossRestarts(t *testing.T) {
	b := newBed(t, 1)
	key := func(n byte, body uint64) *schema.EventKey { return &schema.EventKey{Hash: [16]byte{n}, Body: body} }
	b.keep(b.sendKeyed("default", key(1, 7), key(2, 7)), 0, 1)
	_, stop := b.consumer(failing(afterEntries, 1))
	b.drain()
	b.keep(b.sendKeyed("default", key(1, 7), key(3, 7), key(3, 7), nil), 1, 3)
	b.keep(b.sendKeyed("other", key(1, 7)), 0)
	b.drain()
	b.check()
	stop()
	b.keep(b.sendKeyed("default", key(2, 7), key(3, 7), key(4, 7)), 2)
	b.consumer(failing(afterKinds, 1))
	b.drain()
	b.check()
	b.erase(0, "default")
	b.keep(b.sendKeyed("default", key(4, 7), key(4, 7)), 0) // free again
	b.drain()
	b.check()
	b.sendKeyed("default", key(4, 8)) // another entry under the same key
	b.drain()
	b.check()
	if got := b.dead(); len(got) != 1 || !strings.Contains(got[0], "event key") {
		t.Errorf("got dead letters %q, want the one whose key was given before", got)
	}
}

type keyed struct {
	first, offset uint64
	entries       []schema.Entry
	tenant        string
}

func (b *bed) sendKeyed(tenant string, keys ...*schema.EventKey) keyed {
	b.t.Helper()
	value, first, entries := b.value(tenant, len(keys), keys...)
	return keyed{first, uint64(b.produce(0, value)), entries, tenant}
}

// keep expects those of the entries to be stored.
func (b *bed) keep(k keyed, indexes ...int) {
	for _, i := range indexes {
		b.want[k.first+uint64(i)] = sent{0, int64(k.offset), k.tenant, k.entries[i].Timestamp, k.entries[i], time.Now().UnixMilli()}
	}
}

// dead returns the reasons of all dead letters by rising location.
func (b *bed) dead() (reasons []string) {
	b.t.Helper()
	rows, err := b.conn.Query(b.t.Context(), "SELECT reason FROM dead_letters ORDER BY kpart, koff, kidx")
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var reason string
		if err := rows.Scan(&reason); err != nil {
			b.t.Fatal(err)
		}
		reasons = append(reasons, reason)
	}
	return reasons
}

func TestPoisonIsPutAsideOnceAndTheRestIsStored(t *testing.T) {
	b := newBed(t, 1)
	one := func(change func(*activitypb.Entry)) []byte {
		e := &activitypb.Entry{Timestamp: 1, Action: "a"}
		change(e)
		m := &activitypb.ActivityBatch{Version: 1, Chunks: []*activitypb.Chunk{{FirstId: b.nextID(), ReceivedAt: time.Now().UnixMilli(), Tenant: "default", Entries: []*activitypb.Entry{e}}}}
		value, err := m.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	b.send(0, "default", 3)
	poison := map[string][]byte{
		"bad bytes":          []byte("\xff\xff\xff"),
		"empty":              {},
		"unknown version":    {8, 99},
		"no action":          one(func(e *activitypb.Entry) { e.Action = "" }),
		"timestamp 0":        one(func(e *activitypb.Entry) { e.Timestamp = 0 }),
		"year 1899":          one(func(e *activitypb.Entry) { e.Timestamp = -2240524800000 }),
		"year 2400":          one(func(e *activitypb.Entry) { e.Timestamp = 13569465600000 }),
		"timestamp 2^63":     one(func(e *activitypb.Entry) { e.Timestamp = -1 << 63 }),
		"long action":        one(func(e *activitypb.Entry) { e.Action = strings.Repeat("a", schema.MaxNameBytes+1) }),
		"no UTF-8":           one(func(e *activitypb.Entry) { e.Device = "\xff" }),
		"NUL":                one(func(e *activitypb.Entry) { e.Detail = "a\x00b" }),
		"bad details":        one(func(e *activitypb.Entry) { e.Details = []byte(`{"a":`) }),
		"bad target":         one(func(e *activitypb.Entry) { e.Targets = []string{"door"} }),
		"command without id": packedCommand(t, &activitypb.Command{Tenant: "default", Before: 99}),
		"bad JSON":           []byte(`{"action":`),
		"1 MB":               one(func(e *activitypb.Entry) { e.Detail = strings.Repeat("x", 900<<10) }),
	}
	for _, value := range poison {
		b.produce(0, value)
		b.send(0, "default", 2)
	}
	_, stop := b.consumer(failing(afterEntities, 3))
	b.drain()
	b.check()
	stop()
	if got := b.dead(); len(got) != len(poison) {
		t.Errorf("got %d dead letters %q, want %d", len(got), got, len(poison))
	}
	if got := b.records(schemakafka.Dead(b.broker.Topic())); got < len(poison) {
		t.Errorf("got %d dead records, want %d or more", got, len(poison))
	}
	b.consumer(func(c *Consumer) { c.group = "fresh" })
	b.drain("fresh")
	b.check()
	if got := b.dead(); len(got) != len(poison) {
		t.Errorf("got %d dead letters after another reading, want %d", len(got), len(poison))
	}
}

// records is how many records a topic of one partition holds.
func (b *bed) records(topic string) int {
	b.t.Helper()
	res, err := b.client.ListOffsets(b.t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(0)}}})
	if err != nil {
		b.t.Fatal(err)
	}
	return int(res.Topics[topic][0].LastOffset)
}

func TestRowsThatClickHouseRefusesArePutAside(t *testing.T) {
	b := newBed(t, 1)
	if err := b.conn.Exec(t.Context(), "ALTER TABLE activity ADD CONSTRAINT no_sn3 CHECK device != 'SN-3'"); err != nil {
		t.Fatal(err)
	}
	refused := 0
	ids, _ := b.send(0, "default", 40)
	more, _ := b.send(0, "default", 5)
	for _, id := range slices.Concat(ids, more) {
		if entry(int(id)).Device == "SN-3" {
			delete(b.want, id)
			refused++
		}
	}
	b.consumer(failing(afterEntries, 1))
	b.drain()
	b.check()
	if got := b.dead(); len(got) != refused || refused == 0 {
		t.Errorf("got %d dead letters, want %d", len(got), refused)
	}
}

func TestRecordsOfOtherProducers(t *testing.T) {
	b := newBed(t, 1)
	offset := b.produce(0, []byte(`{"action":"login","device":"SN-1","timestamp":1760000000000,"targets":[{"type":"door","id":"7"}]}`))
	b.want[schema.ForeignID(0, offset)] = sent{partition: 0, offset: offset, tenant: schema.DefaultTenant}
	offset = b.produce(0, []byte(`{"action":"login","tenant":"other","details":{"a":1}}`))
	b.want[schema.ForeignID(0, offset)] = sent{partition: 0, offset: offset, tenant: "other"}
	value, first, entries := b.value("default", 1)
	offset = b.produce(0, append([]byte{0, 0, 0, 0, 9, 0}, value...))
	b.want[first] = sent{partition: 0, offset: offset, tenant: "default", timestamp: entries[0].Timestamp}
	b.consumer(failing(afterEntries, 1))
	b.drain()
	b.check()
	if got := b.dead(); len(got) != 0 {
		t.Errorf("got dead letters %q, want none", got)
	}
}

func TestABatchOverAWeeksEndIsExact(t *testing.T) {
	for _, point := range []string{afterEntries, afterEntities, afterKinds} {
		t.Run(point, func(t *testing.T) {
			b := newBed(t, 1)
			for i := range 4 {
				b.sendReceived(time.Now().AddDate(0, 0, -7*(i%3)), 5)
			}
			b.consumer(failing(point, 1))
			b.drain()
			b.check()
		})
	}
}

func TestARepetitionOfADeletedEntryStaysAway(t *testing.T) {
	b := newBed(t, 1)
	key := &schema.EventKey{Hash: [16]byte{1}, Body: 1}
	b.sendKeyed("default", key)
	_, stop := b.consumer()
	b.drain()
	stop()
	b.sendKeyed("default", key)
	b.erase(0, "default") // in one batch with the repetition
	b.consumer(failing(afterDelete, 1))
	b.drain()
	b.check()
}

func (b *bed) sendReceived(at time.Time, n int) {
	b.t.Helper()
	var c schema.Chunk
	c.Reset("default", at.UnixMilli())
	first := b.id
	b.id += uint64(n)
	for i := range n {
		e := entry(int(first) + i)
		c.Add(&e, nil)
	}
	c.Seal(first)
	offset := b.produce(0, schema.AppendChunk(schema.AppendRecordHeader(nil), &c))
	for i := range n {
		b.want[first+uint64(i)] = sent{partition: 0, offset: offset, tenant: "default", timestamp: entry(int(first) + i).Timestamp}
	}
}

func TestMissingTablesAreWaitedFor(t *testing.T) {
	b := bareBed(t, 1)
	b.send(0, "default", 3)
	c, _ := b.consumer()
	b.await("Ready to ask for a migration", func() error {
		if err := c.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "activityctl migrate") {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	if _, err := tables.Migrate(t.Context(), b.opts); err != nil {
		t.Fatal(err)
	}
	b.drain()
	b.check()
	b.await("Ready", func() error { return c.Ready(t.Context()) })
}

func TestABrokerThatComesAndGoesIsWaitedFor(t *testing.T) {
	b := newBed(t, 1)
	b.send(0, "default", 3)
	b.broker.Stop()
	c, _ := b.consumer()
	b.await("Ready to say that Kafka is unavailable", func() error {
		if err := c.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "kafka:") {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	b.broker.Start()
	b.drain()
	for range 3 {
		b.send(0, "default", 10)
		b.broker.Disconnect()
		b.send(0, "default", 10)
		b.broker.Stop()
		b.broker.Start()
	}
	b.drain()
	b.check()
}

func TestRunEndsWithoutKafka(t *testing.T) {
	b := newBed(t, 1)
	b.broker.Stop()
	_, stop := b.consumer()
	began := time.Now()
	stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("Run() took %v to end, want less than 3 s", took)
	}
}

// TestALoneEntryIsStoredAtOnce waits for an hour if a single entry waits for others.
func TestALoneEntryIsStoredAtOnce(t *testing.T) {
	b := newBed(t, 1)
	b.consumer(func(c *Consumer) { c.cfg.MaxAge = time.Hour })
	for range 2 {
		b.send(0, "default", 1)
		b.drain()
	}
}

func TestRunLeavesNoGoroutineBehind(t *testing.T) {
	b := newBed(t, 2)
	b.send(0, "default", 3)
	_, stop := b.consumer()
	b.drain()
	stop()
	b.await("its goroutines to end", func() error {
		stacks := make([]byte, 4<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for g := range strings.SplitSeq(string(stacks), "\n\n") {
			for _, own := range []string{"consumer.(*Consumer)", "consumer.(*partition)", "consumer.(*fetcher)", "kafka-go.(*ConsumerGroup)", "kafka-go.(*Generation)"} {
				if strings.Contains(g, own) {
					return errors.New(g)
				}
			}
		}
		return nil
	})
}
