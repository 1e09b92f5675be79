package clickhouse

import (
	"context"
	"fmt"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"github.com/activitylog/activitylog/schema/words"
)

// Limits of one step of Fold.
const (
	foldRows    = 5000    // about: a step takes whole offsets
	foldBytes   = 4 << 20 // of texts
	foldOffsets = 1 << 20
)

// toFold selects the rows that are not folded yet. The index finds them.
const toFold = "hasToken(" + searchText + ", " + unfolded + ") AND folded = " + unfolded

// Fold fills the column folded of rows that an older version wrote and that meet where, and returns their number. It can be
// interrupted and repeated, and several can run at once, because the value depends only on the row's text. Consumers may write and
// delete meanwhile. Until Fold has updated a row, a search finds the row by the older rule.
func Fold(ctx context.Context, conn clickhouse.Conn, where Clauses) (rows int, err error) {
	where.Conds = append(slices.Clone(where.Conds), toFold)
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1})) // leave the rest to queries
	ranges, err := unfoldedRanges(ctx, conn, where)
	if err != nil {
		return 0, err
	}
	for _, r := range ranges {
		n, err := r.fold(ctx, conn, where)
		rows += n
		if err != nil {
			return rows, fmt.Errorf("fold partition %d: %w", r.partition, err)
		}
	}
	return rows, nil
}

// offsets is a range of offsets of a Kafka partition, both ends included.
type offsets struct {
	partition   uint16
	first, last uint64
}

// unfoldedRanges returns, for each partition, the range of offsets that has rows to fold.
func unfoldedRanges(ctx context.Context, conn clickhouse.Conn, where Clauses) (all []offsets, err error) {
	rows, err := conn.Query(ctx, "SELECT kpart, min(koff), max(koff) FROM activity"+where.Where()+" GROUP BY kpart ORDER BY kpart", where.Args...)
	if err != nil {
		return nil, fmt.Errorf("look for entries to fold: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r offsets
		if err := rows.Scan(&r.partition, &r.first, &r.last); err != nil {
			return nil, fmt.Errorf("read the offsets to fold: %w", err)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// fold processes r in steps of about foldRows rows. The number of offsets of a step depends on how many rows the step before had.
func (r offsets) fold(ctx context.Context, conn clickhouse.Conn, where Clauses) (rows int, err error) {
	width := uint64(foldRows)
	for first := r.first; first <= r.last; {
		step := offsets{r.partition, first, min(first+width-1, r.last)}
		batch, err := readTexts(ctx, conn, where, step)
		if err != nil {
			return rows, err
		}
		if batch.cut && width > 1 {
			width = max(1, width/4)
			continue
		}
		if err := batch.write(ctx, conn, step); err != nil {
			return rows, err
		}
		rows += len(batch.places)
		if batch.cut { // a single offset has more rows
			continue
		}
		first = step.last + 1
		if len(batch.places) < foldRows/4 {
			width = min(2*width, foldOffsets)
		}
	}
	return rows, nil
}

// foldBatch holds the rows that one step writes.
type foldBatch struct {
	places []uint64
	folded []string
	cut    bool // the range has more rows than one step should take
}

// place is an entry's offset and index in its Kafka partition, as one number.
const place = "bitShiftLeft(koff, 16) + kidx"

// within returns c with the conditions on the rows of a step.
func (r offsets) within(c Clauses) Clauses {
	c.Conds, c.Args = slices.Clone(c.Conds), slices.Clone(c.Args)
	c.Add("kpart = {fold_partition:UInt16}", "fold_partition", r.partition)
	c.Add("koff >= {fold_first:UInt64}", "fold_first", r.first)
	c.Add("koff <= {fold_last:UInt64}", "fold_last", r.last)
	return c
}

func readTexts(ctx context.Context, conn clickhouse.Conn, where Clauses, step offsets) (b foldBatch, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := step.within(where)
	rows, err := conn.Query(ctx, "SELECT "+place+", detail, details FROM activity"+c.Where()+fmt.Sprintf(" LIMIT %d", 2*foldRows+1), c.Args...)
	if err != nil {
		return b, fmt.Errorf("read entries to fold: %w", err)
	}
	defer rows.Close()
	for size := 0; rows.Next(); {
		var place uint64
		var detail, details string
		if err := rows.Scan(&place, &detail, &details); err != nil {
			return b, fmt.Errorf("read a text to fold: %w", err)
		}
		b.places = append(b.places, place)
		b.folded = append(b.folded, words.Folded(detail, details))
		size += len(detail) + len(details)
		if len(b.places) > 2*foldRows || size > foldBytes {
			b.cut = true
			return b, nil
		}
	}
	return b, rows.Err()
}

// write inserts the batch into the table folding and updates the entries from there, with a patch part as deletes do.
func (b foldBatch) write(ctx context.Context, conn clickhouse.Conn, step offsets) error {
	if len(b.places) == 0 {
		return nil
	}
	id := uuid.New()
	insert, err := conn.PrepareBatch(ctx, "INSERT INTO folding (batch, place, folded)")
	if err != nil {
		return fmt.Errorf("prepare folded texts: %w", err)
	}
	defer insert.Close()
	for i, place := range b.places {
		if err := insert.Append(id, place, b.folded[i]); err != nil {
			return fmt.Errorf("append a folded text: %w", err)
		}
	}
	if err := insert.Send(); err != nil {
		return fmt.Errorf("write folded texts: %w", err)
	}
	const mine = " FROM folding WHERE batch = {fold_batch:UUID})"
	const pairs = "(SELECT (groupArray(place), groupArray(folded))" + mine
	var c Clauses
	c.Add("folded = "+unfolded, "fold_batch", id.String())
	c = step.within(c)
	c.Add(place+" IN (SELECT place"+mine, "", nil)
	update := "UPDATE activity SET folded = transform(" + place + ", " + pairs + ".1, " + pairs + ".2, folded)" + c.Where()
	if err := conn.Exec(ctx, update, c.Args...); err != nil {
		return fmt.Errorf("update folded texts: %w", err)
	}
	return nil
}
