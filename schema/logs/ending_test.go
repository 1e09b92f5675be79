package logs_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Whatever the log lost and got since, and whatever was deleted from the tables: the tables have all records before the ending, and none
// after it.
func TestEnding(t *testing.T) {
	const checks = 40
	b := newBed(t)
	b.broker = testbed.Kafka(t, checks)
	b.client = b.broker.Client()
	log := &schemakafka.Log{Epochs: []schemakafka.Epoch{{}}}
	b.lease(log)
	partition := -1
	check := func(t *rapid.T) {
		if partition++; partition >= checks {
			return
		}
		stored := rapid.IntRange(0, 9).Draw(t, "stored")
		kept := rapid.IntRange(0, stored).Draw(t, "kept")
		later := rapid.IntRange(0, 9).Draw(t, "written since")
		committed := rapid.IntRange(0, kept).Draw(t, "committed before")
		highest := -1
		row := func(offset int, id uint64, received int64) {
			if rapid.IntRange(0, 2).Draw(t, "deleted") == 0 {
				return
			}
			if offset < kept {
				highest = offset
			}
			b.exec(`INSERT INTO activity (tenant, timestamp, id, received_at, action, kpart, koff, kidx)
SELECT 'acme', now64(3), ?, fromUnixTimestamp64Milli(toInt64(?)), 'a', ?, ?, 0`, id, received, partition, offset)
		}
		for offset := range kept {
			_, id, received := b.write(partition, 1)
			row(offset, id, received)
		}
		for offset := kept; offset < stored; offset++ { // lost with the end
			b.id++
			b.clock++
			row(offset, b.id, b.clock)
		}
		for range later {
			b.write(partition, 1)
		}
		got, err := b.pair().Ending(b.t.Context(), log, partition, int64(stored)-1, int64(committed))
		if err != nil {
			t.Fatal(err)
		}
		if got > int64(kept) || got <= int64(highest) {
			t.Errorf("got %d, want one behind %d and not behind %d", got, highest, kept)
		}
		if stored == kept && committed == kept && got != int64(kept) {
			t.Errorf("got %d of a log that lost nothing, want %d", got, kept)
		}
	}
	for partition < checks-1 {
		rapid.Check(t, check)
	}
}
