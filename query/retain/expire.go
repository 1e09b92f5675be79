package retain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/erase"
	"github.com/activitylog/activitylog/query/visible"
	"github.com/activitylog/activitylog/schema"
)

// cleanupMax bounds the automatic cleanup of one tenant.
const cleanupMax = time.Minute

// cleaner erases the expired entries of every tenant.
type cleaner struct {
	id       uuid.UUID // of this process among those that clean up
	interval time.Duration
	db       *db.DB
	visible  *visible.Lookup
	eraser   *erase.Eraser
	tables   *tables
	hook     *hook
	log      *slog.Logger
	metrics  *metrics
	now      func() time.Time
}

// run cleans up now and at each interval, until ctx ends.
func (c *cleaner) run(ctx context.Context) {
	tick := time.NewTicker(c.interval)
	defer tick.Stop()
	for {
		if err := c.all(ctx); err != nil && ctx.Err() == nil {
			c.metrics.cleanupFaults.Inc()
			c.log.WarnContext(ctx, "cleanup failed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// expired describes the entries of one tenant that its retention has hidden.
type expired struct {
	tenant string
	days   int
	since  string // YYYY-MM-DD: the first day that is visible
	fresh  uint64 // entries that expired since its last cleanup
	erase  bool   // the tables will keep some of them for long
	slot   string // the hour in which it was claimed, as ClickHouse writes times
}

// all cleans up for all tenants that have expired entries. Entries of a tenant that keeps them for as long as the tables do are dropped
// with whole parts; those of other tenants are erased.
func (c *cleaner) all(ctx context.Context) error {
	all := []error{c.tables.tell(ctx)} // only the views depend on it
	if err := c.tables.keep(ctx, 0); err != nil {
		return errors.Join(append(all, err)...)
	}
	due, err := c.due(ctx)
	if err != nil {
		return errors.Join(append(all, err)...)
	}
	for _, x := range due {
		if err := c.one(ctx, x); err != nil {
			all = append(all, fmt.Errorf("tenant %q: %w", x.tenant, err))
		}
	}
	return errors.Join(all...)
}

// one does the cleanup of one tenant, unless another process does it.
func (c *cleaner) one(ctx context.Context, x expired) error {
	ctx, cancel := context.WithTimeout(ctx, cleanupMax)
	defer cancel()
	mine, err := c.claim(ctx, &x)
	if err != nil || !mine {
		return err
	}
	n := x.fresh
	if x.erase {
		p := schema.Principal{Tenant: x.tenant, Subject: "retention"}
		if n, err = c.eraser.ReceivedBefore(ctx, p, x.since, "1970-01-01"); err != nil {
			return err
		}
	}
	if err := c.insert(ctx, x, n, true); err != nil {
		return err
	}
	c.metrics.cleanups.Inc()
	c.log.InfoContext(ctx, "expired entries cleaned up", slog.String("tenant", x.tenant), slog.Int("days", x.days), slog.Uint64("entries", n))
	c.hook.send(Cleaned{Tenant: x.tenant, Days: x.days, DeletedCount: n, Before: x.since, At: c.now().UTC()})
	return nil
}

// due returns the tenants with expired entries that no cleanup has counted yet, or that have to be erased.
func (c *cleaner) due(ctx context.Context) ([]expired, error) {
	all, err := c.visible.Read(ctx, schema.AllTenants)
	if err != nil {
		return nil, err
	}
	keeps, err := c.tables.expiry(ctx, "activity")
	if err != nil {
		return nil, err
	}
	done, err := c.done(ctx)
	if err != nil {
		return nil, err
	}
	soon := "" // the tables drop entries that were received before this day by themselves
	if keeps != 0 {
		soon = c.now().UTC().AddDate(0, 0, 1-keeps).Format(time.DateOnly)
	}
	due, err := c.search(ctx, all, func(x *expired, day string, n uint64) {
		if day >= done[x.tenant] {
			x.fresh += n
		}
		x.erase = x.erase || day >= soon
	})
	if err != nil {
		return nil, err
	}
	return worth(due), nil
}

// search finds the tenants with expired entries, and calls add for each day on which such entries were received.
func (c *cleaner) search(ctx context.Context, all visible.Retention, add func(x *expired, day string, n uint64)) (found []expired, err error) {
	now := c.now()
	var seen db.Clauses
	all.Since(now).Bound(&seen, "received")
	rows, err := c.db.QueryWithoutTenant(ctx, db.Statement{
		Text: "SELECT tenant, received, toUInt64(sum(n)) FROM by_kind WHERE NOT (" + seen.Conds[0] +
			") GROUP BY tenant, received HAVING sum(n) > 0 ORDER BY tenant, received",
		Args: seen.Args,
	})
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
		if len(found) == 0 || found[len(found)-1].tenant != tenant {
			own, ok := all.Others[tenant]
			if !ok {
				own = all
			}
			found = append(found, expired{tenant: tenant, days: own.Days, since: own.From(now)})
		}
		add(&found[len(found)-1], received.Format(time.DateOnly), n)
	}
	return found, db.Fault(ctx, rows.Err())
}

func worth(all []expired) (due []expired) {
	for _, x := range all {
		if x.fresh > 0 || x.erase {
			due = append(due, x)
		}
	}
	return due
}

// done returns the day up to which each tenant has been cleaned up.
func (c *cleaner) done(ctx context.Context) (map[string]string, error) {
	rows, err := c.db.QueryWithoutTenant(ctx, db.Statement{Text: "SELECT tenant, max(before) FROM cleanups WHERE done GROUP BY tenant"})
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
	return done, db.Fault(ctx, rows.Err())
}

// claim reports whether this process must do the cleanup. A cleanup that failed can be claimed again in the next hour.
func (c *cleaner) claim(ctx context.Context, x *expired) (bool, error) {
	x.slot = c.now().UTC().Truncate(time.Hour).Format(time.DateTime) // once: the hour may end meanwhile
	if err := c.insert(ctx, *x, 0, false); err != nil {
		return false, err
	}
	q := db.Statement{
		Text: "SELECT owner = {owner:UUID} FROM cleanups WHERE tenant = {tenant:String} AND before = {before:Date} AND slot = {slot:DateTime('UTC')} AND NOT done",
		Args: []any{
			clickhouse.Named("owner", c.id.String()), clickhouse.Named("tenant", x.tenant), clickhouse.Named("before", x.since),
			clickhouse.Named("slot", x.slot),
		},
	}
	var mine bool
	if err := c.db.One(ctx, x.tenant, q, &mine); err != nil {
		return false, fmt.Errorf("claim a cleanup: %w", err)
	}
	return mine, nil
}

// insert claims a cleanup, or says that it is done. Of the claims of an hour the first one counts.
func (c *cleaner) insert(ctx context.Context, x expired, n uint64, done bool) error {
	if !done {
		ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
			"insert_deduplicate": 1, "insert_deduplication_token": x.tenant + ":" + x.since + ":" + x.slot,
		}))
	}
	err := c.db.Exec(ctx, db.Statement{
		Text: `INSERT INTO cleanups (tenant, before, slot, owner, done, entries)
SELECT {tenant:String}, {before:Date}, {slot:DateTime('UTC')}, {owner:UUID}, {done:Bool}, {entries:UInt64}`,
		Args: []any{
			clickhouse.Named("tenant", x.tenant), clickhouse.Named("before", x.since), clickhouse.Named("slot", x.slot),
			clickhouse.Named("owner", c.id.String()), clickhouse.Named("done", done), clickhouse.Named("entries", n),
		},
	})
	if err != nil {
		return fmt.Errorf("store a cleanup: %w", err)
	}
	return nil
}
