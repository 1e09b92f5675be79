package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// patch merges in what deletes left, while they leave something. A pending patch part makes every count of the entries read
// it too: 124 against 56 ms at 10 M rows.
func (s *Store) patch(ctx context.Context) {
	tick := time.NewTicker(s.cfg.PatchInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.applyPatches(ctx); err != nil && !errors.Is(err, context.Canceled) {
			s.log.WarnContext(ctx, "patches not applied", slog.Any("error", err))
		}
	}
}

// applyPatches starts a merge of the patch parts unless there are none, or one is running: replicas of this service take turns.
func (s *Store) applyPatches(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.QueryTimeout)
	defer cancel()
	const pending = `SELECT
  (SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'activity' AND active AND startsWith(name, 'patch-')),
  (SELECT count() FROM system.mutations WHERE database = currentDatabase() AND table = 'activity' AND NOT is_done)`
	var parts, running *uint64
	if err := s.conn.QueryRow(ctx, pending).Scan(&parts, &running); err != nil {
		return fault(ctx, fmt.Errorf("look for patch parts: %w", err))
	}
	if parts == nil || *parts == 0 || running == nil || *running > 0 {
		return nil
	}
	if err := s.conn.Exec(ctx, "ALTER TABLE activity APPLY PATCHES SETTINGS mutations_sync = 0, alter_sync = 0"); err != nil {
		return fault(ctx, fmt.Errorf("apply patches: %w", err))
	}
	s.metrics.patches.Inc()
	return nil
}
