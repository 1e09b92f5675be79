package early_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	"github.com/activitylog/activitylog/ingest/consumer/internal/early"
	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// An entry that is already stored at another offset is recognized by its id and its time of receipt. An id that belongs to another entry is
// replaced. An entry that is read again keeps its id.
func TestLookup(t *testing.T) {
	opts, err := clickhouse.ParseDSN(testbed.ClickHouse(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tables.Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	const old = 7 * schema.IDBlock
	at := time.Now().UnixMilli() // the tables drop what is older than 46 days
	stored := []early.Stored{
		{Identity: early.Identity{ID: old + 1, Received: at}, Partition: 1, Location: block.Location{Offset: 7}},            // the same, elsewhere
		{Identity: early.Identity{ID: old + 2, Received: at - 500}, Partition: 3, Location: block.Location{Offset: 5}},      // another entry
		{Identity: early.Identity{ID: old + 3, Received: at}, Partition: 3, Location: block.Location{Offset: 23, Index: 1}}, // this very one
		{Identity: early.Identity{ID: 150*schema.IDBlock + 9, Received: at - 1}, Partition: 0, Location: block.Location{Offset: 1}},
	}
	for _, s := range stored {
		if err := conn.Exec(t.Context(), `INSERT INTO activity (tenant, timestamp, id, received_at, action, kpart, koff, kidx)
SELECT 'acme', now64(3), ?, fromUnixTimestamp64Milli(toInt64(?)), 'a', ?, ?, ?`, s.ID, s.Received, s.Partition, s.Location.Offset, s.Location.Index); err != nil {
			t.Fatal(err)
		}
	}
	given := uint64(1 << 40)
	l := &early.Lookup{First: 20, Fresh: 200 * schema.IDBlock, Number: func() (uint64, error) { given++; return given, nil }}
	rows := []struct {
		row    block.Row
		stored bool
		id     uint64
	}{
		{row(old+1, at, 20, 0), true, old + 1},
		{row(old+2, at, 21, 0), false, 1<<40 + 1},
		{row(old+2, at, 22, 0), true, old + 2}, // as a producer repeats it
		{row(old+3, at, 23, 1), false, old + 3},
		{row(old+4, at, 24, 0), false, old + 4},
		{row(old+4, at+1, 24, 1), false, 1<<40 + 2},
		{row(150*schema.IDBlock+9, at, 25, 0), false, 1<<40 + 3},
	}
	for _, c := range rows {
		if !l.Has(&c.row) || l.Take(3, &c.row) {
			t.Errorf("%+v: want it to be looked up", c.row)
		}
	}
	if !l.Needed {
		t.Error("the tables are not to be asked, want them to be")
	}
	for range 2 {
		if err := l.Ask(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
	}
	var ids []uint64
	for _, c := range rows {
		if got := l.Take(3, &c.row); got != c.stored || c.row.ID != c.id {
			t.Errorf("%v: stored %v under the id %d, want %v and %d", c.row.Location, got, c.row.ID, c.stored, c.id)
		}
		if !c.stored {
			ids = append(ids, c.row.ID)
		}
	}
	if slices.Sort(ids); len(slices.Compact(ids)) != 5 || l.Err != nil {
		t.Errorf("got the ids %v, %v, want five different ones", ids, l.Err)
	}
	for _, other := range []block.Row{row(old, at, 19, 0), row(200*schema.IDBlock, at, 20, 0)} {
		if l.Has(&other) {
			t.Errorf("%+v is looked up, want it not to be", other)
		}
	}
}

func row(id uint64, received, offset int64, index uint16) block.Row {
	return block.Row{ID: id, ReceivedAt: received, Location: block.Location{Offset: offset, Index: index}}
}
