package consumer

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// eventKey returns one of many event keys, of an entry with a body.
func eventKey(n byte, body uint64) *schema.EventKey {
	return &schema.EventKey{Hash: [16]byte{n}, Body: body}
}

// sendByKey writes an entry with an event key to the partition that a collector writes it to, and returns its id.
func (b *bed) sendByKey(key *schema.EventKey) (id uint64) {
	b.t.Helper()
	value, id, entries := b.value("default", 1, key)
	partition := schemakafka.PartitionOf(key.Hash[:], b.partitions)
	offset := b.produce(partition, value)
	b.want[id] = sent{partition, offset, "default", entries[0].Timestamp, entries[0], time.Now().UnixMilli()}
	return id
}

// repeatByKey is sendByKey for an entry that must not be stored.
func (b *bed) repeatByKey(key *schema.EventKey) { delete(b.want, b.sendByKey(key)) }

// addPartitions raises the number of partitions to n.
func (b *bed) addPartitions(n int) {
	b.t.Helper()
	res, err := b.client.CreatePartitions(b.t.Context(), &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: b.broker.Topic(), Count: int32(n)}},
	})
	if err == nil {
		err = res.Errors[b.broker.Topic()]
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.partitions = n
	b.await("the partitions", func() error {
		got, err := schemakafka.Partitions(b.t.Context(), b.client, b.broker.Topic())
		if err == nil && got != n {
			err = fmt.Errorf("got %d", got)
		}
		return err
	})
}

// TestEventKeysMoveWhenPartitionsAreAdded: most keys belong to another partition than before, an old or a new one.
func TestEventKeysMoveWhenPartitionsAreAdded(t *testing.T) {
	const keys = 12
	for name, tc := range map[string]struct {
		from, to int
		restart  bool // the consumer
		change   func(*Consumer)
	}{
		"while the consumer runs":       {2, 3, false, func(*Consumer) {}},
		"while no consumer runs":        {2, 3, true, func(*Consumer) {}},
		"from one to many":              {1, 5, false, func(*Consumer) {}},
		"with a crash after the insert": {2, 3, true, failing(afterEntries, 2)},
		"with a crash before":           {2, 3, true, failing(afterIntent, 3)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, tc.from)
			_, stop := b.consumer()
			for n := range byte(keys) {
				b.sendByKey(eventKey(n, 7))
			}
			b.drain()
			if tc.restart {
				stop()
			}
			b.addPartitions(tc.to)
			for n := range byte(keys) {
				b.repeatByKey(eventKey(n, 7))
			}
			b.sendByKey(eventKey(keys, 7)) // new
			b.repeatByKey(eventKey(keys, 7))
			b.repeatByKey(eventKey(1, 8)) // another entry
			if tc.restart {
				b.consumer(tc.change)
			}
			b.drain()
			b.check()
			if got := b.dead(); len(got) != 1 || !strings.Contains(got[0], "event key") {
				t.Errorf("got dead letters %q, want the one whose key was given before", got)
			}
		})
	}
}

// TestAMovedEventKeyIsForgottenInTime: the window applies to keys of other partitions, too.
func TestAMovedEventKeyIsForgottenInTime(t *testing.T) {
	b := newBed(t, 1)
	short := func(c *Consumer) { c.cfg.KeyWindow = time.Second }
	_, stop := b.consumer(short)
	for n := range byte(6) {
		b.sendByKey(eventKey(n, 7))
	}
	b.drain()
	stop()
	b.addPartitions(4)
	time.Sleep(1100 * time.Millisecond)
	for n := range byte(6) {
		b.sendByKey(eventKey(n, 7))
		b.repeatByKey(eventKey(n, 7))
	}
	b.consumer(short)
	b.drain()
	b.check()
}

// countingLoads counts how often keys are read from the tables.
func countingLoads(n *atomic.Int64) func(*Consumer) {
	return func(c *Consumer) {
		c.fail = func(_ int, point string) error {
			if point == beforeKeys {
				n.Add(1)
			}
			return nil
		}
	}
}

// TestDeletesForgetOnlyTheirOwnKeys: the keys of deleted and refused entries are free again, those of others are not, and they are not
// read again.
func TestDeletesForgetOnlyTheirOwnKeys(t *testing.T) {
	var loads atomic.Int64
	b := newBed(t, 1)
	b.consumer(countingLoads(&loads))
	var ids []uint64
	for n := range byte(8) {
		ids = append(ids, b.sendByKey(eventKey(n, 7)))
	}
	repeatAll := func(free ...byte) {
		t.Helper()
		for n := range byte(8) {
			if slices.Contains(free, n) {
				ids[n] = b.sendByKey(eventKey(n, 7))
			}
			b.repeatByKey(eventKey(n, 7))
		}
		b.drain()
		b.check()
	}
	repeatAll()
	b.erase(0, "default", ids[2], ids[5])
	b.send(0, "default", 3)
	repeatAll(2, 5)
	of := entry(int(ids[4])).Device
	var free []byte
	for n, id := range ids {
		if entry(int(id)).Device == of {
			free = append(free, byte(n))
		}
	}
	b.eraseMatch(0, "default", schema.Match{Device: of})
	repeatAll(free...)
	b.erase(0, "other")
	repeatAll()
	b.erase(0, "default")
	repeatAll(0, 1, 2, 3, 4, 5, 6, 7)
	if n := loads.Load(); n != 1 {
		t.Errorf("keys were read %d times, want once", n)
	}
}

// TestARefusedRowsKeyIsFree: a row that ClickHouse refused is in no table, so its key is free.
func TestARefusedRowsKeyIsFree(t *testing.T) {
	var loads atomic.Int64
	b := newBed(t, 1)
	ids := []uint64{b.sendByKey(eventKey(1, 7)), b.sendByKey(eventKey(2, 7)), b.sendByKey(eventKey(3, 7))}
	b.refuse(ids[1])
	b.consumer(countingLoads(&loads))
	b.drain()
	b.repeatByKey(eventKey(1, 7))
	b.sendByKey(eventKey(2, 7))
	b.repeatByKey(eventKey(2, 7))
	b.repeatByKey(eventKey(3, 7))
	b.drain()
	b.check()
	if n := loads.Load(); n != 1 {
		t.Errorf("keys were read %d times, want once", n)
	}
}

// TestNoMoreKeysAreReadThanAreRemembered: of ten keys the newest three are known, before and after a restart, and also when rows that
// look like those of keys lie between them, and when one of them was deleted.
func TestNoMoreKeysAreReadThanAreRemembered(t *testing.T) {
	three := func(c *Consumer) { c.cfg.MaxKeys = 3 }
	for name, between := range map[string]func(b *bed, last uint64, newest *[]byte){
		"nothing": func(*bed, uint64, *[]byte) {},
		"rows that look like it": func(b *bed, _ uint64, _ *[]byte) {
			for range 7 {
				e := entry(1)
				e.Extra.UserAgent = ":\x10 no key"
				b.sendEntry(0, "default", e)
			}
		},
		"a delete": func(b *bed, last uint64, newest *[]byte) {
			b.erase(0, "default", last)
			*newest = []byte{7, 8, 6}
		},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(name, restart), func(t *testing.T) {
				b := newBed(t, 1)
				_, stop := b.consumer(three)
				var last uint64
				for n := range byte(10) {
					last = b.sendByKey(eventKey(n, 7))
				}
				newest := []byte{7, 8, 9}
				between(b, last, &newest)
				b.drain()
				if restart {
					stop()
					b.consumer(three)
				}
				for _, n := range newest {
					b.repeatByKey(eventKey(n, 7))
				}
				b.sendByKey(eventKey(0, 7)) // forgotten
				b.drain()
				b.check()
			})
		}
	}
}
