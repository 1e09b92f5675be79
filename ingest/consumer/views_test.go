package consumer

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

// views are what people read, each with the query of the entries themselves that it must always be equal to.
var views = map[string]struct{ view, entries string }{
	"hourly": {
		"SELECT tenant, hour, platform, action, entries FROM hourly",
		"SELECT tenant, toStartOfHour(timestamp) AS hour, platform, action, count() FROM activity GROUP BY ALL",
	},
	"daily_by_device": {
		"SELECT tenant, day, device, entries FROM daily_by_device",
		"SELECT tenant, toDate(timestamp) AS day, device, count() FROM activity WHERE device != '' GROUP BY ALL",
	},
	"daily_by_account": {
		"SELECT tenant, day, account, entries FROM daily_by_account",
		"SELECT tenant, toDate(timestamp) AS day, if(actor_name != '', actor_name, actor_id) AS account, count() FROM activity WHERE account != '' GROUP BY ALL",
	},
}

// rowsOf are the rows of a query as text, in order.
func (b *bed) rowsOf(text string) string {
	b.t.Helper()
	var rows []string
	if err := b.conn.QueryRow(b.t.Context(), "SELECT groupArray(toString(tuple(*))) FROM ("+text+")").Scan(&rows); err != nil {
		b.t.Errorf("%s: %v", text, err)
	}
	slices.Sort(rows)
	return strings.Join(rows, "\n")
}

// Wherever a consumer stops, also between the entries of a batch and their counts, the views count every entry once.
func TestViewsAreExactWhereverItIsCutOff(t *testing.T) {
	b := newBed(t, 2)
	var mu sync.Mutex
	seen, ahead := map[string]int{}, 0
	stop := failing(afterEntries, 2)
	b.send(0, "default", 20)
	ids, _ := b.send(0, "other", 5)
	b.consumer(func(c *Consumer) {
		stop(c)
		fail := c.fail
		c.fail = func(partition int, point string) error {
			mu.Lock()
			defer mu.Unlock()
			if point == afterSubtract { // of what is deleted, only the counts have gone
				return fail(partition, point)
			}
			seen[point]++
			for name, v := range views {
				if got, want := b.rowsOf(v.view), b.rowsOf(v.entries); got != want {
					t.Errorf("%s, %s: got\n%s\nwant\n%s", point, name, got, want)
				}
			}
			if b.rowsOf("SELECT toUInt64(sum(n)) FROM by_kind") != b.rowsOf("SELECT count() FROM activity") {
				ahead++
			}
			return fail(partition, point)
		}
	})
	b.drain()
	b.send(1, "default", 9) // of a partition that has not been counted yet
	b.drain()
	b.erase(0, "default")
	b.send(0, "default", 7)
	b.erase(0, "other", ids[1], ids[3])
	b.drain()
	b.check()
	mu.Lock()
	defer mu.Unlock()
	for _, point := range []string{afterEntries, afterEntities, afterKinds, beforeDelete, afterDelete} {
		if seen[point] == 0 {
			t.Errorf("never looked %s", point)
		}
	}
	if ahead == 0 {
		t.Error("the rollup was never behind the entries, so the test has no power")
	}
}
