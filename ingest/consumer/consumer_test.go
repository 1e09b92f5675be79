package consumer

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/ingest/consumer/internal/sink"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

var points = []string{beforeIntent, afterIntent, afterEntries, afterEntities, afterKinds, beforeDelete, afterSubtract, afterDelete}

func TestExactWhereverItIsCutOff(t *testing.T) {
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			b := newBed(t, 1)
			b.send(0, "default", 20)
			ids, _ := b.send(0, "other", 5)
			b.consumer(failing(point, 2))
			b.drain()
			b.erase(0, "default")
			b.send(0, "default", 7)
			b.erase(0, "other", ids[1], ids[3])
			b.drain()
			b.check()
		})
	}
}

func TestDeletesEqualAModelUnderCrashes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	b := newBed(t, 2)
	_, stop := b.consumer(randomly(r.Uint64()))
	for i := range 60 {
		p, tenant := r.IntN(2), []string{"default", "other\\'\t"}[r.IntN(2)]
		switch all := matches(time.Now().UnixMilli()); r.IntN(6) {
		case 5:
			b.eraseMatch(p, tenant, all[r.IntN(len(all))])
		case 0:
			if id := b.some(p, tenant); id != 0 {
				b.erase(p, tenant, id)
			}
		case 1:
			if r.IntN(4) == 0 {
				b.erase(p, tenant)
			}
		default:
			b.send(p, tenant, 1+r.IntN(30))
		}
		if i == 30 {
			stop()
			_, stop = b.consumer(randomly(r.Uint64()))
		}
	}
	b.drain()
	b.check()
	stop()
	b.consumer(func(c *Consumer) { c.group = "fresh" }) // as if every committed offset had been lost
	b.drain("fresh")
	b.check()
}

// some returns the id of one of a tenant's entries in a partition; 0 if there is none.
func (b *bed) some(partition int, tenant string) uint64 {
	for id, s := range b.want {
		if s.partition == partition && s.tenant == tenant {
			return id
		}
	}
	return 0
}

// randomly fails one in ten times that a point is reached, twenty times at most: a batch of many deletes, which starts again each time,
// would never end otherwise.
func randomly(seed uint64) func(*Consumer) {
	var mu sync.Mutex
	r, left := rand.New(rand.NewPCG(seed, 0)), 20
	return func(c *Consumer) {
		c.fail = func(_ int, at string) error {
			mu.Lock()
			defer mu.Unlock()
			if left > 0 && r.IntN(10) == 0 {
				left--
				return fmt.Errorf("cut off %s", at)
			}
			return nil
		}
	}
}

func TestDuplicatesOfAProducerAreStoredOnce(t *testing.T) {
	b := newBed(t, 1)
	_, first := b.send(0, "default", 3)
	b.produce(0, first)
	_, second := b.send(0, "default", 4)
	b.produce(0, second)
	_, stop := b.consumer()
	b.drain()
	b.check()
	b.produce(0, second)
	b.drain()
	b.check()
	stop()
	b.produce(0, first)
	b.produce(0, second)
	b.send(0, "default", 2)
	c, _ := b.consumer()
	b.drain()
	b.check()
	if got := outcome(t, c, "repeated"); got != 7 {
		t.Errorf("got %v repeated entries, want 7", got)
	}
}

func TestADeleteThatIsWrittenTwiceCountsOnce(t *testing.T) {
	b := newBed(t, 1)
	ids, _ := b.send(0, "default", 9)
	one := b.erase(0, "default", ids[2])
	all := b.erase(0, "default")
	b.send(0, "default", 2)
	b.produce(0, one)
	b.produce(0, all)
	b.consumer()
	b.drain()
	b.check()
	b.produce(0, all)
	b.produce(0, one)
	b.drain()
	b.check()
}

func TestLostOffsetsStoreNothingTwice(t *testing.T) {
	b := newBed(t, 2)
	for i := range 10 {
		b.send(i%2, "default", 10)
	}
	_, stop := b.consumer()
	b.drain()
	stop()
	for i := range 4 {
		b.send(i%2, "default", 5)
	}
	c, _ := b.consumer(func(c *Consumer) { c.group = "fresh" })
	b.drain("fresh")
	b.check()
	if got := outcome(t, c, "recovered"); got != 100 {
		t.Errorf("got %v recovered entries, want 100", got)
	}
}

func TestOffsetsBeyondTheEndReadTheLogAgain(t *testing.T) {
	b := newBed(t, 1)
	b.send(0, "default", 10)
	b.commit(0, 500)
	c, _ := b.consumer()
	b.drain()
	b.send(0, "default", 3)
	b.drain()
	b.check()
	if got := counter(t, c.metrics.alarms.WithLabelValues("beyond_end")); got != 1 {
		t.Errorf("got %v alarms, want 1", got)
	}
}

// commit sets the group's offset from outside, while it has no member.
func (b *bed) commit(partition int, offset int64) {
	b.t.Helper()
	b.await("the commit", func() error {
		res, err := b.client.OffsetCommit(b.t.Context(), &kafka.OffsetCommitRequest{
			GroupID: schemakafka.Group(b.broker.Topic()), GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{b.broker.Topic(): {{Partition: partition, Offset: offset}}},
		})
		if err != nil {
			return err
		}
		return res.Topics[b.broker.Topic()][0].Error
	})
}

// A log that lost its newest records assigns their offsets again: the new records count as later than the old ones, and no stored entry is
// stored again or lost.
func TestReusedOffsetsStoreEveryNewEntry(t *testing.T) {
	for name, later := range map[string]int{"it ends before what is stored": 1, "it has grown beyond": 12} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, 1)
			for range 6 {
				b.send(0, "default", 4)
			}
			_, stop := b.consumer()
			b.drain()
			stop()
			restore := b.broker.Save()
			var lost []uint64
			for range 5 {
				ids, _ := b.send(0, "default", 4)
				lost = append(lost, ids...)
			}
			b.erase(0, "default", slices.Sorted(maps.Keys(b.want))[0])
			_, stop = b.consumer()
			b.drain()
			stop()
			restore()
			for range later {
				b.send(0, "default", 4)
			}
			c, stop := b.consumer()
			b.drain()
			b.check()
			if got := counter(t, c.metrics.alarms.WithLabelValues("reused")); got != 1 {
				t.Errorf("got %v alarms, want 1", got)
			}
			for range 3 {
				b.send(0, "default", 4)
			}
			b.drain()
			stop()
			b.forget()
			b.send(0, "default", 1)
			b.consumer()
			b.drain()
			b.check()
			b.base = schemakafka.EpochStep
			b.erase(0, "default", lost[7]) // its record is gone, and lay at a higher offset of Kafka than the command
			b.drain()
			b.check()
			b.erase(0, "default")
			b.send(0, "default", 1)
			b.drain()
			b.check()
		})
	}
}

// ClickHouse is restored from a backup, or emptied, while the consumer runs: before it stores more, it notices that the tables lack stored
// entries, and reads the log again.
func TestTablesThatLostEntriesUnderAConsumer(t *testing.T) {
	names := []string{"activity", "by_entity", "by_kind", "logs"}
	for name, keep := range map[string]bool{"restored": true, "emptied": false} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, 2)
			f := newLossyProxy(t, b.opts.Addr[0])
			exec := func(query string) {
				t.Helper()
				if err := b.conn.Exec(t.Context(), query); err != nil {
					t.Fatal(err)
				}
			}
			some := func() {
				for i := range 6 {
					ids, _ := b.send(i%2, "default", 5)
					b.erase(i%2, "default", ids[2])
				}
			}
			c, _ := b.consumer(func(c *Consumer) {
				opts := *b.opts
				opts.Addr = []string{f.addr}
				c.cfg.ClickHouse, c.sink = &opts, sink.Open(&opts)
			})
			some()
			b.drain()
			for _, name := range names {
				exec("CREATE TABLE backup_" + name + " AS " + name)
				exec("INSERT INTO backup_" + name + " SELECT * FROM " + name)
			}
			some()
			b.drain()
			f.outage(func() {
				for _, name := range names {
					exec("TRUNCATE TABLE " + name)
					if keep {
						exec("INSERT INTO " + name + " SELECT * FROM backup_" + name)
					}
				}
				some()
			})
			b.drain()
			b.await("everything to be stored again", func() error { return exact(t.Context(), b.conn, b.want) })
			if got := counter(t, c.metrics.alarms.WithLabelValues("tables_lost")); got != 2 {
				t.Errorf("got %v alarms, want one for each partition", got)
			}
			some()
			b.drain()
			b.check()
		})
	}
}

func TestOneBatchIsOnePart(t *testing.T) {
	b := newBed(t, 1)
	for _, table := range []string{"activity", "by_entity", "by_kind"} {
		if err := b.conn.Exec(t.Context(), "SYSTEM STOP MERGES "+table); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		b.send(0, "default", 100)
	}
	b.consumer()
	b.drain()
	b.check()
	for _, table := range []string{"activity", "by_entity", "by_kind"} {
		n, err := numbers(t.Context(), b.conn, 1, "SELECT toInt64(count()) FROM system.parts WHERE active AND database = currentDatabase() AND table = '"+table+"'")
		if err != nil || n[0] != 1 {
			t.Errorf("got %v parts of %s, %v, want 1", n, table, err)
		}
	}
}

func TestTwoConsumersShareAndHandOver(t *testing.T) {
	b := newBed(t, 4)
	_, stopFirst := b.consumer()
	stopSending := make(chan struct{})
	sent := make(chan struct{})
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
	time.Sleep(300 * time.Millisecond)
	second, stopSecond := b.consumer()
	b.await("the second to be a member", func() error { return second.Ready(t.Context()) })
	time.Sleep(500 * time.Millisecond)
	stopFirst()
	time.Sleep(300 * time.Millisecond)
	close(stopSending)
	<-sent
	b.drain()
	stopSecond()
	b.check()
}
