// Package visible tells from which day on a tenant's entries are shown. It promises: what has expired is never shown again, even under a
// longer retention; a change is seen by this process at once and by every other one within a second.
package visible

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"golang.org/x/sync/singleflight"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/internal/recent"
	"github.com/activitylog/activitylog/schema"
)

// MaxDays bounds a retention: ten years of weeks are as many partitions as the tables should have.
const MaxDays = 3650

// Config is the retention of tenants that have not set another one.
type Config struct {
	RetentionDays int // an entry received on day D is visible through day D + RetentionDays, UTC
}

// Defaults returns the values of a Config that names none.
func Defaults() Config { return Config{RetentionDays: 45} }

// Validate returns what is wrong with c.
func (c Config) Validate() error {
	if c.RetentionDays < 1 || c.RetentionDays > MaxDays {
		return fmt.Errorf("the retention must be 1 to %d days", MaxDays)
	}
	return nil
}

// Retention says how long entries stay visible: for one tenant, or for all tenants if it was looked up for schema.AllTenants.
type Retention struct {
	Days       int
	GoneBefore string               // YYYY-MM-DD: what was received before it is never shown again
	Others     map[string]Retention // of tenants that have set their own; only where it was looked up for schema.AllTenants
}

// From returns the first day of receipt that is visible, as YYYY-MM-DD.
func (r Retention) From(now time.Time) string {
	return max(now.UTC().AddDate(0, 0, -r.Days).Format(time.DateOnly), r.GoneBefore)
}

// Since returns the first visible day; for schema.AllTenants also the days of the tenants that have their own retention.
func (r Retention) Since(now time.Time) Since {
	s := Since{Day: r.From(now)}
	if len(r.Others) == 0 {
		return s
	}
	s.others = &others{tenants: slices.Sorted(maps.Keys(r.Others))}
	for _, tenant := range s.others.tenants {
		s.others.days = append(s.others.days, r.Others[tenant].From(now))
	}
	return s
}

// Since has the first visible day of receipt. For schema.AllTenants, it also has the days of tenants with a retention of their own.
type Since struct {
	Day string // YYYY-MM-DD, of receipt

	others *others // nil if there are none
}

// others lists the tenants with a retention of their own, and their first visible days in the same order.
type others struct{ tenants, days []string }

// Bound adds the condition that entries were received on Day or later, or on the day that their own tenant has instead.
func (s Since) Bound(c *db.Clauses, column string) {
	if s.others == nil {
		c.Add(column+" >= {floor:Date}", "floor", s.Day)
		return
	}
	c.Add(column+" >= transform(toString(tenant), {others:Array(String)}, {floors:Array(Date)}, {floor:Date})", "floor", s.Day)
	c.Args = append(c.Args, clickhouse.Named("others", s.others.tenants), clickhouse.Named("floors", s.others.days))
}

// After returns s with the first visible day day for all tenants without a retention of their own.
func (s Since) After(day string) Since {
	s.Day = day
	return s
}

// Lookup finds the retention of tenants and remembers it for a second. It may be used by many goroutines at once.
type Lookup struct {
	cfg   Config
	db    *db.DB
	known *recent.Cache[Retention]
	calls singleflight.Group
}

// New makes a Lookup.
func New(cfg Config, d *db.DB) *Lookup {
	return &Lookup{cfg: cfg, db: d, known: recent.New[Retention](time.Second, 10_000)}
}

// DefaultDays returns the retention of tenants that have not set another one.
func (l *Lookup) DefaultDays() int { return l.cfg.RetentionDays }

// Since returns the day from which on the entries of tenant are visible now.
func (l *Lookup) Since(ctx context.Context, tenant string) (Since, error) {
	r, err := l.Of(ctx, tenant)
	if err != nil {
		return Since{}, err
	}
	return r.Since(time.Now()), nil
}

// Of returns the retention of tenant, at most a second old.
func (l *Lookup) Of(ctx context.Context, tenant string) (Retention, error) {
	if r, ok := l.known.Get(tenant); ok {
		return r, nil
	}
	return db.Share(ctx, l.db, &l.calls, tenant, func(ctx context.Context) (Retention, error) {
		asked := time.Now()
		r, err := l.Read(ctx, tenant)
		if err == nil {
			l.known.Put(tenant, r, asked)
		}
		return r, err
	})
}

// Changed makes this process see a change of tenant's retention at once.
func (l *Lookup) Changed(tenant string) {
	l.Forget()
	l.calls.Forget(tenant)
	l.calls.Forget(schema.AllTenants)
}

// Forget drops what is remembered of every retention.
func (l *Lookup) Forget() { l.known.Forget() }

// Read returns the current retention of tenant, from the table.
func (l *Lookup) Read(ctx context.Context, tenant string) (Retention, error) {
	r, err := l.read(ctx, tenant)
	if err != nil {
		return r, fmt.Errorf("look up the retention: %w", err)
	}
	return r, nil
}

// read takes the latest row of the tenant, or of each tenant. The row without a tenant says what the tables have dropped.
func (l *Lookup) read(ctx context.Context, tenant string) (Retention, error) {
	q := db.Statement{
		Text: "SELECT tenant, argMax(days, at), max(gone_before) FROM retention WHERE tenant IN ('', {tenant:String}) GROUP BY tenant",
		Args: []any{clickhouse.Named("tenant", tenant)},
	}
	if tenant == schema.AllTenants {
		q = db.Statement{Text: "SELECT tenant, argMax(days, at), max(gone_before) FROM retention GROUP BY tenant"}
	}
	rows, err := l.db.QueryWithoutTenant(ctx, q)
	if err != nil {
		return Retention{}, err
	}
	defer rows.Close()
	all := Retention{Days: l.cfg.RetentionDays, Others: map[string]Retention{}}
	for rows.Next() {
		var of string
		var days uint16
		var gone time.Time
		if err := rows.Scan(&of, &days, &gone); err != nil {
			return all, fmt.Errorf("read a row: %w", err)
		}
		if of == "" {
			all.GoneBefore = gone.Format(time.DateOnly)
			continue
		}
		all.Others[of] = Retention{Days: int(days), GoneBefore: gone.Format(time.DateOnly)}
	}
	for of, own := range all.Others {
		own.GoneBefore = max(own.GoneBefore, all.GoneBefore)
		all.Others[of] = own
	}
	if own, ok := all.Others[tenant]; ok {
		return own, db.Fault(ctx, rows.Err())
	}
	return all, db.Fault(ctx, rows.Err())
}
