package consumer

import (
	"fmt"
	"testing"
	"time"

	"github.com/activitylog/activitylog/ingest/consumer/internal/pace"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// TestNudge: a batch that waits for its turn is stored early if a reader waits for it, and only then.
func TestNudge(t *testing.T) {
	b := newBed(t, 2)
	c, _ := b.consumer(func(c *Consumer) {
		c.cfg.MaxAge = time.Hour
		c.pacer = &pace.Pacer{Longest: time.Hour}
	})
	nudge := func(partition int, offset int64) {
		t.Helper()
		if err := schemakafka.SendNudges(t.Context(), b.client, b.broker.Topic(), map[int]int64{partition: offset}); err != nil {
			t.Fatal(err)
		}
	}
	stored := func(partition int) {
		t.Helper()
		b.await("a nudged batch", func() error {
			if at, end := first(b.committed(c.group, partition)), b.end(partition); at != end {
				return fmt.Errorf("committed %d of %d", at, end)
			}
			return nil
		})
	}
	b.send(0, "t", 1)
	b.send(1, "t", 1)
	b.drain(c.group)
	time.Sleep(time.Second)          // their inserts have given back their turns
	c.pacer.Done(nil, 4*time.Second) // the next turns come in 16 s, but in 4 s for a reader

	old := b.end(0)
	b.send(0, "t", 1)
	b.send(1, "t", 1)
	nudge(0, old) // its reader waits for what is stored
	time.Sleep(4500 * time.Millisecond)
	if got := counter(t, c.metrics.hurried); got != 0 {
		t.Errorf("%v batches were hurried that no reader waits for", got)
	}
	nudge(0, b.end(0))
	stored(0)
	if got := counter(t, c.metrics.hurried); got != 1 {
		t.Errorf("%v batches were hurried, want 1", got)
	}
	if at := first(b.committed(c.group, 1)); at == b.end(1) {
		t.Error("partition 1 was stored, too, but no reader waits for it")
	}
	nudge(1, b.end(1))
	stored(1)
	b.check()
}
