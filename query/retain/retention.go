package retain

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/visible"
	"github.com/activitylog/activitylog/schema"
)

// MaxDays bounds a retention.
const MaxDays = visible.MaxDays

// Retention returns for how many days after the day of its receipt, in UTC, an entry of p's tenant is visible. It needs the scope admin.
func (k *Keeper) Retention(ctx context.Context, p schema.Principal) (days int, err error) {
	defer k.requests.Observe("retention", time.Now(), &err)
	ctx, cancel, err := k.eraser.AsAdmin(ctx, p)
	if err != nil {
		return 0, err
	}
	defer cancel()
	r, err := k.visible.Of(ctx, p.Tenant)
	return r.Days, err
}

// Change asks for another retention.
type Change struct {
	Days    int     // 1 to MaxDays
	Confirm *uint64 // the most entries that may expire by it
	DryRun  bool    // only return how many would
}

// Changed is the result of a Change.
type Changed struct {
	Expired uint64 // entries that are no longer visible, or would not be
	DryRun  bool   // nothing was changed: it was a dry run, or more entries would expire than were confirmed
}

// SetRetention sets how long the entries of p's tenant are visible. A shorter retention takes effect at once in this process, and
// within a second in every other one. If visible entries expire by it, it must be confirmed with their number, otherwise it is a dry run.
// What has expired stays expired under a longer retention. It needs the scope admin. An error is ErrInvalid naming a field, or
// ErrUnavailable or ErrTimeout: nothing has changed, or all of it, and the change may be asked for again.
func (k *Keeper) SetRetention(ctx context.Context, p schema.Principal, c Change) (done Changed, err error) {
	defer k.requests.Observe("set_retention", time.Now(), &err)
	ctx, cancel, err := k.eraser.AsAdmin(ctx, p)
	if err != nil {
		return done, err
	}
	defer cancel()
	if c.Days < 1 || c.Days > MaxDays {
		return done, &schema.FieldError{Field: "days", Code: "RANGE", Issue: fmt.Sprintf("must be 1 to %d", MaxDays)}
	}
	r, err := k.visible.Read(ctx, p.Tenant)
	if err != nil {
		return done, err
	}
	from := r.From(k.now())
	to := visible.Retention{Days: c.Days, GoneBefore: from}.From(k.now())
	if done.Expired, err = k.received(ctx, p.Tenant, from, to); err != nil {
		return done, err
	}
	if c.DryRun || done.Expired > 0 && (c.Confirm == nil || *c.Confirm < done.Expired) {
		done.DryRun = true
		return done, nil
	}
	return done, k.set(ctx, p, c.Days, to)
}

// set makes the tables keep entries for days before it promises that, and checks again afterwards, because another process may
// have done the same.
func (k *Keeper) set(ctx context.Context, p schema.Principal, days int, gone string) error {
	if err := k.tables.keep(ctx, days); err != nil {
		return err
	}
	if err := insertRetention(ctx, k.db, p.Tenant, days, gone, p.Subject); err != nil {
		return err
	}
	k.visible.Changed(p.Tenant)
	k.reader.Forget()
	return k.tables.keep(ctx, days)
}

// insertRetention adds a row to the table of retentions. Without a tenant it says what the tables have dropped.
func insertRetention(ctx context.Context, d *db.DB, tenant string, days int, gone, by string) error {
	err := d.Exec(ctx, db.Statement{
		Text: "INSERT INTO retention (tenant, days, gone_before, by) SELECT {tenant:String}, {days:UInt16}, {gone:Date}, {by:String}",
		Args: []any{
			clickhouse.Named("tenant", tenant), clickhouse.Named("days", days), clickhouse.Named("gone", gone), clickhouse.Named("by", by),
		},
	})
	if err != nil {
		return fmt.Errorf("store a retention: %w", err)
	}
	return nil
}

// received returns how many of the tenant's entries were received on the days [from, to).
func (k *Keeper) received(ctx context.Context, tenant, from, to string) (n uint64, err error) {
	if to <= from {
		return 0, nil
	}
	c := &db.Clauses{}
	c.OfTenant(tenant)
	c.Add("received >= {from:Date}", "from", from)
	c.Add("received < {to:Date}", "to", to)
	q := db.Statement{Text: "SELECT toUInt64(greatest(sum(n), 0)) FROM by_kind" + c.Where(), Args: c.Args}
	if err := k.db.One(ctx, tenant, q, &n); err != nil {
		return 0, fmt.Errorf("count entries by their receipt: %w", err)
	}
	return n, nil
}
