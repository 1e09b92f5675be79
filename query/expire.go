package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/schema"
)

// expireMax bounds the automatic cleanup of one tenant.
const expireMax = time.Minute

// expire cleans up after every tenant, now and at each interval, until ctx ends.
func (s *Store) expire(ctx context.Context) {
	tick := time.NewTicker(s.cfg.CleanupInterval)
	defer tick.Stop()
	for {
		if err := s.expireAll(ctx); err != nil && ctx.Err() == nil {
			s.metrics.cleanupFaults.Inc()
			s.log.WarnContext(ctx, "cleanup not done", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// expired is what one tenant's retention has made invisible.
type expired struct {
	tenant string
	days   int
	floor  string // YYYY-MM-DD: the first day that is visible
	fresh  uint64 // entries that expired since its last cleanup
	erase  bool   // the tables will keep some of them for long
}

// expireAll goes through the tenants of which entries have expired. Those of a tenant that keeps its entries for as long as the
// tables do go with whole parts; those of others are erased.
func (s *Store) expireAll(ctx context.Context) error {
	if err := s.lengthen(ctx, 0); err != nil {
		return err
	}
	due, err := s.due(ctx)
	if err != nil {
		return err
	}
	var all []error
	for _, x := range due {
		if err := s.expireOne(ctx, x); err != nil {
			all = append(all, fmt.Errorf("tenant %q: %w", x.tenant, err))
		}
	}
	return errors.Join(all...)
}

// expireOne does the cleanup of one tenant, unless another process does it.
func (s *Store) expireOne(ctx context.Context, x expired) error {
	ctx, cancel := context.WithTimeout(ctx, expireMax)
	defer cancel()
	mine, err := s.claim(ctx, x)
	if err != nil || !mine {
		return err
	}
	n := x.fresh
	if x.erase {
		p := schema.Principal{Tenant: x.tenant, Subject: "retention"}
		if n, err = s.eraseReceivedBefore(ctx, p, x.floor, "1970-01-01"); err != nil {
			return err
		}
	}
	if err := s.noteCleanup(ctx, x, n, true); err != nil {
		return err
	}
	s.metrics.cleanups.Inc()
	s.log.InfoContext(ctx, "expired entries cleaned up", slog.String("tenant", x.tenant), slog.Int("days", x.days), slog.Uint64("entries", n))
	s.hook.send(Cleaned{Tenant: x.tenant, Days: x.days, DeletedCount: n, Before: x.floor, At: s.now().UTC()})
	return nil
}

// due are the tenants of which entries have expired that no cleanup has seen yet, or that have to be erased.
func (s *Store) due(ctx context.Context) (due []expired, err error) {
	k, err := s.readKeeping(ctx, schema.AllTenants)
	if err != nil {
		return nil, err
	}
	keeps, err := s.expiry(ctx, "activity")
	if err != nil {
		return nil, err
	}
	done, err := s.cleaned(ctx)
	if err != nil {
		return nil, err
	}
	now := s.now()
	soon := "" // the tables drop by themselves what was received before this day
	if keeps != 0 {
		soon = now.UTC().AddDate(0, 0, 1-keeps).Format(time.DateOnly)
	}
	f := Filter{tenant: schema.AllTenants, others: k.except(now)}
	c := &clauses{}
	c.since("received", f, k.floor(now))
	q := statement{
		"SELECT tenant, received, toUInt64(sum(n)) FROM by_kind WHERE NOT (" + c.Conds[0] + ") GROUP BY tenant, received HAVING sum(n) > 0 ORDER BY tenant, received",
		c.Args,
	}
	rows, err := s.run(ctx, q, s.limits())
	if err != nil {
		return nil, fmt.Errorf("look for expired entries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var tenant string
		var received time.Time
		var n uint64
		if err := rows.Scan(&tenant, &received, &n); err != nil {
			return nil, fmt.Errorf("read expired entries: %w", err)
		}
		if len(due) == 0 || due[len(due)-1].tenant != tenant {
			own, ok := k.others[tenant]
			if !ok {
				own = k
			}
			due = append(due, expired{tenant: tenant, days: own.days, floor: own.floor(now)})
		}
		x, day := &due[len(due)-1], received.Format(time.DateOnly)
		if day >= done[tenant] {
			x.fresh += n
		}
		x.erase = x.erase || day >= soon
	}
	return worth(due), fault(ctx, rows.Err())
}

func worth(all []expired) (due []expired) {
	for _, x := range all {
		if x.fresh > 0 || x.erase {
			due = append(due, x)
		}
	}
	return due
}

// cleaned is up to which day each tenant has been cleaned up.
func (s *Store) cleaned(ctx context.Context) (map[string]string, error) {
	rows, err := s.run(ctx, statement{"SELECT tenant, max(before) FROM cleanups WHERE done GROUP BY tenant", nil}, s.limits())
	if err != nil {
		return nil, fmt.Errorf("look up cleanups: %w", err)
	}
	defer rows.Close()
	done := map[string]string{}
	for rows.Next() {
		var tenant string
		var before time.Time
		if err := rows.Scan(&tenant, &before); err != nil {
			return nil, fmt.Errorf("read a cleanup: %w", err)
		}
		done[tenant] = before.Format(time.DateOnly)
	}
	return done, fault(ctx, rows.Err())
}

// claim says whether this process is to do the cleanup. One that did not come to its end can be claimed anew in the next hour.
func (s *Store) claim(ctx context.Context, x expired) (bool, error) {
	if err := s.noteCleanup(ctx, x, 0, false); err != nil {
		return false, err
	}
	q := statement{
		"SELECT owner = {owner:UUID} FROM cleanups WHERE tenant = {tenant:String} AND before = {before:Date} AND slot = {slot:DateTime('UTC')} AND NOT done",
		[]any{
			clickhouse.Named("owner", s.id.String()), clickhouse.Named("tenant", x.tenant), clickhouse.Named("before", x.floor),
			clickhouse.Named("slot", s.slot()),
		},
	}
	var mine bool
	if err := s.one(ctx, x.tenant, q, &mine); err != nil {
		return false, fmt.Errorf("claim a cleanup: %w", err)
	}
	return mine, nil
}

func (s *Store) slot() string { return s.now().UTC().Truncate(time.Hour).Format(time.DateTime) }

// noteCleanup claims a cleanup, or says that it is done. Of the claims of an hour the first one counts.
func (s *Store) noteCleanup(ctx context.Context, x expired, n uint64, done bool) error {
	slot := s.slot()
	if !done {
		ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
			"insert_deduplicate": 1, "insert_deduplication_token": x.tenant + ":" + x.floor + ":" + slot,
		}))
	}
	const insert = `INSERT INTO cleanups (tenant, before, slot, owner, done, entries)
SELECT {tenant:String}, {before:Date}, {slot:DateTime('UTC')}, {owner:UUID}, {done:Bool}, {entries:UInt64}`
	err := s.conn.Exec(ctx, insert, clickhouse.Named("tenant", x.tenant), clickhouse.Named("before", x.floor), clickhouse.Named("slot", slot),
		clickhouse.Named("owner", s.id.String()), clickhouse.Named("done", done), clickhouse.Named("entries", n))
	if err != nil {
		return fault(ctx, fmt.Errorf("note a cleanup: %w", err))
	}
	return nil
}
