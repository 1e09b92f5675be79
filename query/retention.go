package query

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"golang.org/x/sync/singleflight"

	"github.com/activitylog/activitylog/schema"
)

// MaxRetentionDays bounds a retention: ten years of weeks are as many partitions as the tables should have.
const MaxRetentionDays = 3650

// keeping is how long entries stay visible: a tenant's, or where it was asked for schema.AllTenants everybody's.
type keeping struct {
	days   int
	gone   string // YYYY-MM-DD: what was received before it is never shown again
	others map[string]keeping
}

// floor is the first day of receipt, YYYY-MM-DD, that is visible.
func (k keeping) floor(now time.Time) string {
	return max(now.UTC().AddDate(0, 0, -k.days).Format(time.DateOnly), k.gone)
}

// others are the tenants that have floors of their own, and those, in the same order.
type others struct{ tenants, floors []string }

func (k keeping) except(now time.Time) *others {
	if len(k.others) == 0 {
		return nil
	}
	o := &others{tenants: slices.Sorted(maps.Keys(k.others))}
	for _, t := range o.tenants {
		o.floors = append(o.floors, k.others[t].floor(now))
	}
	return o
}

// keepings remembers for a second how long tenants keep their entries, so that a change is seen by every replica within that
// time. Requests that come together share one question.
type keepings struct {
	known  recent[keeping]
	asking singleflight.Group
}

func newKeepings() *keepings {
	return &keepings{known: recent[keeping]{lifetime: time.Second, most: 10_000}}
}

// changed has this process see a change at once.
func (k *keepings) changed(tenant string) {
	k.known.forget()
	k.asking.Forget(tenant)
	k.asking.Forget(schema.AllTenants)
}

// visible is f with the days of receipt that it may show.
func (s *Store) visible(ctx context.Context, f Filter) (Filter, error) {
	k, err := s.keeping(ctx, f.tenant)
	if err != nil {
		return f, err
	}
	now := s.now()
	f.floor, f.others = k.floor(now), k.except(now)
	return f, nil
}

func (s *Store) keeping(ctx context.Context, tenant string) (keeping, error) {
	if k, ok := s.keepings.known.recall(tenant); ok {
		return k, nil
	}
	answer := s.keepings.asking.DoChan(tenant, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.QueryTimeout)
		defer cancel()
		at := time.Now()
		k, err := s.readKeeping(ctx, tenant)
		if err == nil {
			s.keepings.known.keep(tenant, k, at)
		}
		return k, err
	})
	select {
	case <-ctx.Done():
		return keeping{}, fault(ctx, ctx.Err())
	case a := <-answer:
		if a.Err != nil {
			return keeping{}, fmt.Errorf("look up the retention: %w", a.Err)
		}
		return a.Val.(keeping), nil
	}
}

// readKeeping asks for the latest row of the tenant, or of each.
func (s *Store) readKeeping(ctx context.Context, tenant string) (keeping, error) {
	q := statement{
		"SELECT tenant, argMax(days, at), max(gone_before) FROM retention WHERE tenant IN ('', {tenant:String}) GROUP BY tenant",
		[]any{clickhouse.Named("tenant", tenant)},
	}
	if tenant == schema.AllTenants {
		q = statement{"SELECT tenant, argMax(days, at), max(gone_before) FROM retention GROUP BY tenant", nil}
	}
	rows, err := s.run(ctx, q, s.limits())
	if err != nil {
		return keeping{}, err
	}
	defer rows.Close()
	k := keeping{days: s.cfg.RetentionDays, others: map[string]keeping{}}
	for rows.Next() {
		var of string
		var days uint16
		var gone time.Time
		if err := rows.Scan(&of, &days, &gone); err != nil {
			return k, fmt.Errorf("read a retention: %w", err)
		}
		if of == "" {
			k.gone = gone.Format(time.DateOnly)
			continue
		}
		k.others[of] = keeping{days: int(days), gone: gone.Format(time.DateOnly)}
	}
	for of, own := range k.others {
		own.gone = max(own.gone, k.gone)
		k.others[of] = own
	}
	if own, ok := k.others[tenant]; ok {
		k = own
	}
	return k, fault(ctx, rows.Err())
}

// Retention is for how many days after the day of its receipt, in UTC, an entry of p's tenant is visible. It needs the scope admin.
func (s *Store) Retention(ctx context.Context, p schema.Principal) (days int, err error) {
	defer s.metrics.observe("retention", time.Now(), &err)
	ctx, cancel, err := s.administrating(ctx, p)
	if err != nil {
		return 0, err
	}
	defer cancel()
	k, err := s.keeping(ctx, p.Tenant)
	return k.days, err
}

// Change asks for another retention.
type Change struct {
	Days    int     // 1 to MaxRetentionDays
	Confirm *uint64 // the most entries that may expire by it
	DryRun  bool    // only say how many would
}

// Changed is what became of a Change.
type Changed struct {
	Expired uint64 // entries that are visible no more, or would be
	DryRun  bool   // nothing was changed: it was not asked for, or more entries would expire than was confirmed
}

// SetRetention sets how long the entries of p's tenant are visible. A shorter retention takes effect at once, in this process, and
// within a second in every other; one by which visible entries expire must be confirmed with how many they are, or it is a dry
// run. What has expired stays expired under a longer one. It needs the scope admin. An error is ErrInvalid naming a field,
// ErrUnavailable or ErrTimeout: nothing has changed, or all of it, and the change may be asked for again.
func (s *Store) SetRetention(ctx context.Context, p schema.Principal, c Change) (done Changed, err error) {
	defer s.metrics.observe("set_retention", time.Now(), &err)
	ctx, cancel, err := s.administrating(ctx, p)
	if err != nil {
		return done, err
	}
	defer cancel()
	if c.Days < 1 || c.Days > MaxRetentionDays {
		return done, &schema.FieldError{Field: "days", Code: "RANGE", Issue: fmt.Sprintf("must be 1 to %d", MaxRetentionDays)}
	}
	k, err := s.readKeeping(ctx, p.Tenant)
	if err != nil {
		return done, fmt.Errorf("look up the retention: %w", err)
	}
	from := k.floor(s.now())
	to := keeping{days: c.Days, gone: from}.floor(s.now())
	if done.Expired, err = s.received(ctx, p.Tenant, from, to); err != nil {
		return done, err
	}
	if c.DryRun || done.Expired > 0 && (c.Confirm == nil || *c.Confirm < done.Expired) {
		done.DryRun = true
		return done, nil
	}
	return done, s.setRetention(ctx, p, c.Days, to)
}

// setRetention makes room before it promises it, and looks again afterwards, for another process may have done the same.
func (s *Store) setRetention(ctx context.Context, p schema.Principal, days int, gone string) error {
	if err := s.lengthen(ctx, days); err != nil {
		return err
	}
	if err := s.noteRetention(ctx, p.Tenant, days, gone, p.Subject); err != nil {
		return err
	}
	s.keepings.changed(p.Tenant)
	s.lately.forget()
	return s.lengthen(ctx, days)
}

func (s *Store) noteRetention(ctx context.Context, tenant string, days int, gone, by string) error {
	const insert = "INSERT INTO retention (tenant, days, gone_before, by) SELECT {tenant:String}, {days:UInt16}, {gone:Date}, {by:String}"
	err := s.conn.Exec(ctx, insert, clickhouse.Named("tenant", tenant), clickhouse.Named("days", days),
		clickhouse.Named("gone", gone), clickhouse.Named("by", by))
	if err != nil {
		return fault(ctx, fmt.Errorf("note a retention: %w", err))
	}
	return nil
}

// received is how many of the tenant's entries were received on the days [from, to).
func (s *Store) received(ctx context.Context, tenant, from, to string) (n uint64, err error) {
	if to <= from {
		return 0, nil
	}
	c := &clauses{}
	c.of(tenant)
	c.Add("received >= {from:Date}", "from", from)
	c.Add("received < {to:Date}", "to", to)
	q := statement{"SELECT toUInt64(greatest(sum(n), 0)) FROM by_kind" + c.Where(), c.Args}
	if err := s.one(ctx, tenant, q, &n); err != nil {
		return 0, fmt.Errorf("count entries by their receipt: %w", err)
	}
	return n, nil
}
