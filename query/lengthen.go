package query

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// expiring are the tables whose rows expire with entries, and the columns by which they do.
var expiring = [...]struct{ table, expires string }{
	{"activity", "toDate(received_at)"},
	{"by_kind", "received"},
	{"by_entity", "received"},
}

// lengthen has the tables keep entries for atLeast days, and for as long as the longest retention of all, each with the day of
// receipt itself. It never has them keep less: while one process looks up what is needed, another may make a promise. The
// entries of those who keep less are erased by cleanups.
func (s *Store) lengthen(ctx context.Context, atLeast int) error {
	var longest uint16
	const all = "SELECT max(days) FROM (SELECT argMax(days, at) AS days FROM retention WHERE tenant != '' GROUP BY tenant)"
	if err := s.conn.QueryRow(ctx, all).Scan(&longest); err != nil {
		return fault(ctx, fmt.Errorf("look up the longest retention: %w", err))
	}
	want := max(atLeast, s.cfg.RetentionDays, int(longest)) + 1
	for _, t := range expiring {
		has, err := s.expiry(ctx, t.table)
		if err != nil {
			return err
		}
		if has != 0 && has < want {
			if err := s.keepLonger(ctx, t.table, t.expires, has, want); err != nil {
				return err
			}
		}
		if err := s.renew(ctx, t.table, max(has, want)); err != nil {
			return err
		}
	}
	return nil
}

// expiry is after how many days the table's rows expire; 0 for never.
func (s *Store) expiry(ctx context.Context, table string) (int, error) {
	var days uint32
	const q = `SELECT toUInt32OrZero(extract(engine_full, 'toIntervalDay\\((\\d+)\\)')) FROM system.tables WHERE database = currentDatabase() AND name = {table:String}`
	if err := s.conn.QueryRow(ctx, q, clickhouse.Named("table", table)).Scan(&days); err != nil {
		return 0, fault(ctx, fmt.Errorf("look up when rows of %s expire: %w", table, err))
	}
	return int(days), nil
}

// keepLonger has a table keep its rows for to days instead of from. What has expired by now stays expired: the tables drop it in
// their own time, each another part first. Only the dates that parts carry are written anew, in the background.
func (s *Store) keepLonger(ctx context.Context, table, expires string, from, to int) error {
	gone := s.now().UTC().AddDate(0, 0, 1-from).Format(time.DateOnly)
	if err := s.noteRetention(ctx, "", to-1, gone, "tables"); err != nil {
		return err
	}
	s.keepings.known.forget()
	for _, alter := range []string{
		"MODIFY SETTING materialize_ttl_recalculate_only = 1",
		fmt.Sprintf("MODIFY TTL %s + INTERVAL %d DAY SETTINGS materialize_ttl_after_modify = 1, mutations_sync = 0, alter_sync = 0", expires, to),
	} {
		if err := s.conn.Exec(ctx, "ALTER TABLE "+table+" "+alter); err != nil {
			return fault(ctx, fmt.Errorf("keep rows of %s for longer: %w", table, err))
		}
	}
	s.log.InfoContext(ctx, "table keeps its rows for longer", slog.String("table", table), slog.Int("from days", from), slog.Int("to days", to))
	return nil
}

// renew has the dates written anew of parts that still carry those of a shorter expiry, unless that is under way. A part is
// dropped whole by the date that it carries, without a look at its rows (26.5), so that a process that ended in the middle
// of keepLonger would lose what it promised to keep.
func (s *Store) renew(ctx context.Context, table string, days int) error {
	const q = `SELECT countIf(toDate(delete_ttl_info_max) < YYYYMMDDToDate(toUInt32OrZero(left(partition_id, 8))) + toIntervalDay({days:UInt32})),
  (SELECT count() FROM system.mutations WHERE database = currentDatabase() AND table = {table:String} AND NOT is_done)
FROM system.parts WHERE database = currentDatabase() AND table = {table:String} AND active AND rows > 0 AND NOT startsWith(name, 'patch-')`
	var stale uint64
	var running *uint64
	if err := s.conn.QueryRow(ctx, q, clickhouse.Named("table", table), clickhouse.Named("days", days)).Scan(&stale, &running); err != nil {
		return fault(ctx, fmt.Errorf("look for parts of %s that expire too early: %w", table, err))
	}
	if stale == 0 || running == nil || *running > 0 {
		return nil
	}
	if err := s.conn.Exec(ctx, "ALTER TABLE "+table+" MATERIALIZE TTL SETTINGS mutations_sync = 0, alter_sync = 0"); err != nil {
		return fault(ctx, fmt.Errorf("write anew when parts of %s expire: %w", table, err))
	}
	return nil
}
