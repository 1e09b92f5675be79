package consumer

import (
	"testing"

	"github.com/activitylog/activitylog/schema"
)

// TestReadingAgainDecidesNothingAnew loses the offsets after the delete of an entry that others were compared with. An entry that was
// dropped before must neither be stored now nor become a dead letter.
func TestReadingAgainDecidesNothingAnew(t *testing.T) {
	key := func(body uint64) *schema.EventKey { return &schema.EventKey{Hash: [16]byte{1}, Body: body} }
	for name, tc := range map[string]struct {
		later []*schema.EventKey // of one record, after the entry that has the key
		dead  int
	}{
		"a repetition":                {[]*schema.EventKey{key(7)}, 0},
		"another entry":               {[]*schema.EventKey{key(8)}, 1},
		"another, and a repetition":   {[]*schema.EventKey{key(8), key(7)}, 1},
		"a repetition and a new one":  {[]*schema.EventKey{key(7), nil}, 0},
		"a repetition, another entry": {[]*schema.EventKey{key(7), key(8)}, 1},
	} {
		for _, rows := range []int{1, 1000} {
			t.Run(name, func(t *testing.T) {
				b := newBed(t, 1)
				first := b.sendKeyed("default", key(7))
				b.keep(first, 0)
				_, stop := b.consumer()
				b.drain()
				later := b.sendKeyed("default", tc.later...)
				for i, k := range tc.later {
					if k == nil {
						b.keep(later, i)
					}
				}
				b.drain()
				b.erase(0, "default", first.first)
				b.drain()
				b.check()
				stop()
				b.consumer(func(c *Consumer) {
					c.group, c.cfg.MaxRows = "fresh", rows
					begun := 0
					c.fail = func(_ int, point string) error {
						if point == beforeIntent {
							begun++
						}
						if begun == 2 {
							begun++
							return errCrash // so that it forgets the keys of the first batch
						}
						return nil
					}
				})
				b.drain("fresh")
				b.check()
				if got := b.dead(); len(got) != tc.dead {
					t.Errorf("got dead letters %q, want %d", got, tc.dead)
				}
			})
		}
	}
}
