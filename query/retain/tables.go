package retain

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/visible"
)

// expiring lists the tables whose rows expire with entries, and the columns with their expiry dates.
var expiring = [...]struct{ table, expires string }{
	{"activity", "toDate(received_at)"},
	{"by_kind", "received"},
	{"by_entity", "received"},
}

// tables sets for how long the tables keep their rows.
type tables struct {
	db      *db.DB
	visible *visible.Lookup
	log     *slog.Logger
	now     func() time.Time
	told    bool // whether the views know the default retention of this process
}

// tell notes the retention of tenants without one of their own for the views, once. Of several processes with different settings the
// one that started last counts.
func (t *tables) tell(ctx context.Context) error {
	if t.told {
		return nil
	}
	err := t.db.Exec(ctx, db.Statement{
		Text: `INSERT INTO retention_default (days) SELECT {days:UInt16}
WHERE {days:UInt16} != (SELECT tuple(argMax(days, at)) FROM retention_default).1`,
		Args: []any{clickhouse.Named("days", t.visible.DefaultDays())},
	})
	if err != nil {
		return fmt.Errorf("note the default retention: %w", err)
	}
	t.told = true
	return nil
}

// keep makes the tables keep entries for atLeast days or the longest retention of all tenants, whichever is longer, plus the day of
// receipt. It never shortens that time: while one process looks up what is needed, another may promise more. The entries of tenants with a
// shorter retention are erased by cleanups.
func (t *tables) keep(ctx context.Context, atLeast int) error {
	var longest uint16
	const all = "SELECT max(days) FROM (SELECT argMax(days, at) AS days FROM retention WHERE tenant != '' GROUP BY tenant)"
	if err := t.db.OneWithoutTenant(ctx, db.Statement{Text: all}, &longest); err != nil {
		return fmt.Errorf("look up the longest retention: %w", err)
	}
	want := max(atLeast, t.visible.DefaultDays(), int(longest)) + 1
	for _, x := range expiring {
		has, err := t.expiry(ctx, x.table)
		if err != nil {
			return err
		}
		if has != 0 && has < want {
			if err := t.lengthen(ctx, x.table, x.expires, has, want); err != nil {
				return err
			}
		}
		if err := t.renew(ctx, x.table, max(has, want)); err != nil {
			return err
		}
	}
	return nil
}

// expiry returns after how many days the table's rows expire; 0 for never.
func (t *tables) expiry(ctx context.Context, table string) (int, error) {
	var days uint32
	q := db.Statement{
		Text: `SELECT toUInt32OrZero(extract(engine_full, 'toIntervalDay\\((\\d+)\\)')) FROM system.tables WHERE database = currentDatabase() AND name = {table:String}`,
		Args: []any{clickhouse.Named("table", table)},
	}
	if err := t.db.OneWithoutTenant(ctx, q, &days); err != nil {
		return 0, fmt.Errorf("look up when rows of %s expire: %w", table, err)
	}
	return int(days), nil
}

// lengthen raises the retention of a table from the number of days in from to the number in to. Expired rows stay expired: the tables
// drop them later, part by part, each table in another order. Only the dates of parts are written again, in the background.
func (t *tables) lengthen(ctx context.Context, table, expires string, from, to int) error {
	gone := t.now().UTC().AddDate(0, 0, 1-from).Format(time.DateOnly)
	if err := insertRetention(ctx, t.db, "", to-1, gone, "tables"); err != nil {
		return err
	}
	t.visible.Forget()
	for _, alter := range []string{
		"MODIFY SETTING materialize_ttl_recalculate_only = 1",
		fmt.Sprintf("MODIFY TTL %s + INTERVAL %d DAY SETTINGS materialize_ttl_after_modify = 1, mutations_sync = 0, alter_sync = 0", expires, to),
	} {
		if err := t.db.Exec(ctx, db.Statement{Text: "ALTER TABLE " + table + " " + alter}); err != nil {
			return fmt.Errorf("lengthen the retention of %s: %w", table, err)
		}
	}
	t.log.InfoContext(ctx, "table retention lengthened", slog.String("table", table), slog.Int("from_days", from), slog.Int("to_days", to))
	return nil
}

// renew updates the expiry dates of parts that still have the dates of a shorter retention, unless such an update is already running.
// ClickHouse (26.5) drops a whole part by the date in the part, without a look at its rows: if a process ended in the middle of lengthen,
// entries that it promised to keep would be lost.
func (t *tables) renew(ctx context.Context, table string, days int) error {
	var stale uint64
	var running *uint64
	q := db.Statement{
		Text: `SELECT countIf(toDate(delete_ttl_info_max) < YYYYMMDDToDate(toUInt32OrZero(left(partition_id, 8))) + toIntervalDay({days:UInt32})),
  (SELECT count() FROM system.mutations WHERE database = currentDatabase() AND table = {table:String} AND NOT is_done)
FROM system.parts WHERE database = currentDatabase() AND table = {table:String} AND active AND rows > 0 AND NOT startsWith(name, 'patch-')`,
		Args: []any{clickhouse.Named("table", table), clickhouse.Named("days", days)},
	}
	if err := t.db.OneWithoutTenant(ctx, q, &stale, &running); err != nil {
		return fmt.Errorf("look for parts of %s that expire too early: %w", table, err)
	}
	if stale == 0 || running == nil || *running > 0 {
		return nil
	}
	if err := t.db.Exec(ctx, db.Statement{Text: "ALTER TABLE " + table + " MATERIALIZE TTL SETTINGS mutations_sync = 0, alter_sync = 0"}); err != nil {
		return fmt.Errorf("renew the expiry dates of parts of %s: %w", table, err)
	}
	return nil
}
