package consumer

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// cutOffAt makes a consumer fail when it reaches a point for the n-th time, once.
func cutOffAt(point string, n int) func(*Consumer) {
	var mu sync.Mutex
	return func(c *Consumer) {
		c.fail = func(_ int, at string) error {
			mu.Lock()
			defer mu.Unlock()
			if at != point {
				return nil
			}
			if n--; n != 0 {
				return nil
			}
			return fmt.Errorf("cut off %s", at)
		}
	}
}

// refuse makes ClickHouse refuse rows by their ids.
func (b *bed) refuse(ids ...uint64) {
	b.t.Helper()
	list := strings.Trim(strings.ReplaceAll(fmt.Sprint(ids), " ", ","), "[]")
	if err := b.conn.Exec(b.t.Context(), "ALTER TABLE activity ADD CONSTRAINT refused CHECK id NOT IN ("+list+")"); err != nil {
		b.t.Fatal(err)
	}
	for _, id := range ids {
		delete(b.want, id)
	}
}

// TestRefusedRowsAndACrashLoseNothing: ClickHouse refuses some rows of a batch, and the consumer stops after storing a part of the others.
// The batch has eight rows. In each case the next try gives the remaining rows the numbers of rows that are already stored.
func TestRefusedRowsAndACrashLoseNothing(t *testing.T) {
	for _, tc := range []struct {
		refused []int
		after   int // parts
		records int
	}{
		{[]int{0, 3}, 1, 1},
		{[]int{0, 3}, 2, 1},
		{[]int{0, 4}, 3, 2},
		{[]int{1, 4}, 3, 1},
		{[]int{2, 7}, 2, 8},
		{[]int{3, 6}, 3, 4},
	} {
		t.Run(fmt.Sprint(tc), func(t *testing.T) {
			b := newBed(t, 1)
			var ids []uint64
			for range tc.records {
				some, _ := b.send(0, "default", 8/tc.records)
				ids = append(ids, some...)
			}
			var refused []uint64
			for _, i := range tc.refused {
				refused = append(refused, ids[i])
			}
			b.refuse(refused...)
			b.consumer(cutOffAt(afterPart, tc.after))
			b.drain()
			b.check()
			if got := b.dead(); len(got) != len(refused) {
				t.Errorf("got dead letters %q, want %d", got, len(refused))
			}
		})
	}
}
