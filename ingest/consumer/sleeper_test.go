package consumer

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
)

// numbered returns a record of n entries with the ids from first on.
func numbered(first uint64, n int) []byte {
	var c schema.Chunk
	c.Reset("default", time.Now().UnixMilli())
	for i := range n {
		e := entry(int(first) + i)
		c.Add(&e, nil)
	}
	c.Seal(first)
	return schema.AppendChunk(schema.AppendRecordHeader(nil), &c)
}

// awaitStored waits until the group has passed the records of partition 0 before end.
func (w *world) awaitStored(end int64) error {
	return w.persist("store the log", func() error {
		if at, err := w.committed(0); err != nil || at != end {
			return fmt.Errorf("committed %d, %w, want %d", at, err, end)
		}
		return nil
	})
}

// TestAMemberThatSleptStoresNothingMore pauses a member at each point, as a process that gets no CPU. Another member takes over
// and finds more records. When the first member continues, its batch must add nothing to ClickHouse.
func TestAMemberThatSleptStoresNothingMore(t *testing.T) {
	const first = 7 * schema.IDBlock
	broker := testbed.Kafka(t, 1)
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			w := newWorld(t, broker, 2)
			gone, err := schema.AppendCommand(nil, &activitypb.Command{
				Id: []byte("0123456789abcdef"), Tenant: "default", Before: 1, Refs: []*activitypb.Ref{{Id: first + 1, Timestamp: entry(first + 1).Timestamp}},
			})
			must(t, err)
			want, values := map[uint64]sent{first: {}, first + 1: {}, first + 2: {}, first + 3: {}, first + 4: {}}, [][]byte{numbered(first, 3)}
			if slices.Index(points, point) >= slices.Index(points, beforeDelete) {
				values = append(values, gone) // it ends the batch: without it the next owner could put more into its own
				delete(want, first+1)
			}
			_, err = w.append(0, values)
			must(t, err)
			sleeper, err := w.assign("", 1000)
			must(t, err)
			sleeper.interrupt.set(point, 1, true)
			sleeper.start(0, 2)
			select {
			case <-sleeper.interrupt.held:
			case <-time.After(20 * time.Second):
				t.Fatal("the point was not reached")
			}
			must(t, w.evict(sleeper.member))
			_, err = w.append(0, [][]byte{numbered(first+3, 2)})
			must(t, err)
			next, err := w.assign("", 1000)
			must(t, err)
			next.start(0, 2)
			must(t, w.awaitStored(int64(len(values)+1)))
			close(sleeper.interrupt.free)
			if err := sleeper.end(); !errors.Is(err, errFenced) {
				t.Errorf("the member that slept ended with %v, want %v", err, errFenced)
			}
			next.stop()
			must(t, next.end())
			must(t, exact(t.Context(), w.conn, want))
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
