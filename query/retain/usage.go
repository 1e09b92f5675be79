package retain

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/query/db"
)

// usage measures the parts and bytes of the tables, and the disks of ClickHouse. Every replica does: each exports what it sees.
type usage struct {
	interval time.Duration
	db       *db.DB
	log      *slog.Logger
	metrics  usageMetrics
}

func (u *usage) run(ctx context.Context) {
	tick := time.NewTicker(u.interval)
	defer tick.Stop()
	for {
		if err := u.measure(ctx); err != nil && !errors.Is(err, context.Canceled) {
			u.log.WarnContext(ctx, "measure tables failed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (u *usage) measure(ctx context.Context) error {
	ctx, cancel := u.db.WithTimeout(ctx)
	defer cancel()
	const tables = `SELECT table, sum(parts), max(parts), sum(bytes) FROM (
  SELECT table, count() AS parts, sum(bytes_on_disk) AS bytes FROM system.parts
  WHERE database = currentDatabase() AND active GROUP BY table, partition_id) GROUP BY table`
	const disks = "SELECT name, free_space, total_space FROM system.disks"
	m := u.metrics
	return errors.Join(
		u.set(ctx, tables, m.parts, m.crowded, m.bytes),
		u.set(ctx, disks, m.free, m.size),
	)
}

// set sets gauges to the numbers of a query's rows, by the name in the first column. A name that the answer lacks loses its series.
func (u *usage) set(ctx context.Context, query string, gauges ...*prometheus.GaugeVec) error {
	rows, err := u.db.QueryWithoutTenant(ctx, db.Statement{Text: query})
	if err != nil {
		return err
	}
	defer rows.Close()
	found := map[string][]uint64{}
	for rows.Next() {
		var name string
		values := make([]uint64, len(gauges))
		into := []any{&name}
		for i := range gauges {
			into = append(into, &values[i])
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		found[name] = values
	}
	if err := db.Fault(ctx, rows.Err()); err != nil {
		return err
	}
	for i, g := range gauges {
		g.Reset()
		for name, values := range found {
			g.WithLabelValues(name).Set(float64(values[i]))
		}
	}
	return nil
}
