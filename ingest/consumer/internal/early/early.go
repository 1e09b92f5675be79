// Package early handles entries in the last epoch of a log whose ids were leased before that epoch began. Such an entry may be stored
// already, from a record that Kafka has lost. Or its id may be assigned twice, because the topic of leases lost its newest records. So the
// consumer looks up the ids in the tables. A stored entry with the same id and the same time of receipt is the same entry, and is not
// stored again. If the id belongs to another entry, the new entry gets a new id.
package early

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	"github.com/activitylog/activitylog/schema"
)

// Identity distinguishes an entry from others with the same id.
type Identity struct {
	ID       uint64
	Received int64 // Unix ms
}

// Stored is an entry of the tables.
type Stored struct {
	Identity
	Partition int
	Location  block.Location
}

// Lookup looks up the ids of the entries of one batch.
type Lookup struct {
	First  int64                  // offset of the epoch
	Fresh  uint64                 // the first id that was leased in it
	Number func() (uint64, error) // a new id

	Needed bool  // the batch has such an entry, and Ask has not been called
	Err    error // of Number

	asked  bool
	wanted map[uint64][2]uint64 // the lowest and the highest id by block
	stored map[uint64][]Stored
	seen   map[uint64][]int64 // when the batch's own were received
}

// Has reports whether row has to be looked up.
func (l *Lookup) Has(row *block.Row) bool { return row.ID < l.Fresh && row.Location.Offset >= l.First }

// Take reports whether row is already stored at another offset, and gives it a new id if another entry has its id. Before the look-up it
// only notes the id.
func (l *Lookup) Take(partition int, row *block.Row) (stored bool) {
	if !l.asked {
		l.want(row.ID)
		return false
	}
	taken := false
	for _, s := range l.stored[row.ID] {
		if s.Partition == partition && s.Location == row.Location {
			continue
		}
		if s.Received == row.ReceivedAt {
			return true
		}
		taken = true
	}
	seen := l.seen[row.ID]
	if slices.Contains(seen, row.ReceivedAt) {
		return true
	}
	l.seen[row.ID] = append(seen, row.ReceivedAt)
	if taken || len(seen) > 0 {
		row.ID, l.Err = l.Number()
	}
	return false
}

func (l *Lookup) want(id uint64) {
	if l.Needed = true; l.wanted == nil {
		l.wanted = map[uint64][2]uint64{}
	}
	r, ok := l.wanted[schema.Block(id)]
	if !ok {
		r = [2]uint64{id, id}
	}
	l.wanted[schema.Block(id)] = [2]uint64{min(r[0], id), max(r[1], id)}
}

// blocksAtOnce keeps a statement short.
const blocksAtOnce = 100

// Ask looks up in the tables, in all partitions, the ids that Take has noted. It may be repeated.
func (l *Lookup) Ask(ctx context.Context, conn driver.Conn) error {
	l.stored, l.seen = map[uint64][]Stored{}, map[uint64][]int64{}
	var where []string
	var args []any
	for _, r := range l.wanted {
		where, args = append(where, "id BETWEEN ? AND ?"), append(args, r[0], r[1])
		if len(where) == blocksAtOnce {
			if err := l.read(ctx, conn, where, args); err != nil {
				return err
			}
			where, args = nil, nil
		}
	}
	if len(where) > 0 {
		if err := l.read(ctx, conn, where, args); err != nil {
			return err
		}
	}
	l.asked, l.Needed = true, false
	return nil
}

func (l *Lookup) read(ctx context.Context, conn driver.Conn, where []string, args []any) error {
	query := "SELECT id, toInt64(toUnixTimestamp64Milli(received_at)), kpart, koff, kidx FROM activity WHERE " + strings.Join(where, " OR ")
	rows, err := conn.Query(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("look up ids: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var s Stored
		var partition uint16
		var offset uint64
		if err := rows.Scan(&s.ID, &s.Received, &partition, &offset, &s.Location.Index); err != nil {
			return fmt.Errorf("read ids: %w", err)
		}
		s.Partition, s.Location.Offset = int(partition), int64(offset)
		l.stored[s.ID] = append(l.stored[s.ID], s)
	}
	return rows.Err()
}
