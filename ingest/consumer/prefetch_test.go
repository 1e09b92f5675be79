package consumer

import (
	"fmt"
	"testing"
	"time"
)

// TestABacklogIsStoredOnce writes batches that are assembled while the batch before is stored, and that repeat its last record, and crashes
// at every point.
func TestABacklogIsStoredOnce(t *testing.T) {
	for _, point := range []string{beforeIntent, afterIntent, afterEntries, afterEntities, afterKinds} {
		t.Run(point, func(t *testing.T) {
			b := newBed(t, 1)
			for range 12 {
				_, value := b.send(0, "default", 10)
				b.produce(0, value)
			}
			reached := 0
			c, stop := b.consumer(func(c *Consumer) {
				c.cfg.MaxRows = 30 // three records
				c.fail = func(_ int, at string) error {
					time.Sleep(10 * time.Millisecond) // in which the next batch comes
					if at != point {
						return nil
					}
					if reached++; reached%3 == 2 {
						return fmt.Errorf("cut off %s", at)
					}
					return nil
				}
			})
			b.drain()
			b.check()
			if got := outcome(t, c, "repeated"); got < 120 {
				t.Errorf("got %v repeated entries, want 120 or more", got)
			}
			stop()
			free := 0
			for c.assemblies.Idle() != nil {
				free++
			}
			if free != assemblies {
				t.Errorf("%d assemblies are free at the end, want all %d", free, assemblies)
			}
		})
	}
}
