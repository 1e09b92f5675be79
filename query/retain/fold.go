package retain

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/query/db"
)

// folder fills the column folded, the normal form that searches read, for entries that a consumer of an older version wrote. Until then a
// search finds these entries by the older rules. It runs again and again, because a consumer from before the column may still be running
// during an upgrade. A run that finds nothing costs as much as a search for a word that does not occur.
type folder struct {
	interval time.Duration
	db       *db.DB
	log      *slog.Logger
	folded   prometheus.Counter
}

func (f *folder) run(ctx context.Context) {
	tick := time.NewTicker(f.interval)
	defer tick.Stop()
	for {
		n, err := f.db.Fold(ctx)
		f.folded.Add(float64(n))
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			f.log.WarnContext(ctx, "fold search text of older entries failed", slog.Int("entries", n), slog.Any("error", err))
		case n > 0:
			f.log.InfoContext(ctx, "search text of older entries folded", slog.Int("entries", n))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
