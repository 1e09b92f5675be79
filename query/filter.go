package query

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/visible"
	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// Filter selects entries of one tenant. The tenant comes only from the principal: every function that takes a Filter refuses one that
// NewFilter or TenantFilter did not make. The filter of an administrator of schema.AllTenants selects entries of every tenant.
type Filter struct {
	tenant string
	schema.Match
	Not   [MaxExclusions]Exclusion // for reads: an erasure takes none
	since visible.Since            // from which day of receipt on; empty until Filter.visible has looked it up
}

// NewFilter returns the filter of everything that p may read; ErrForbidden without the scope read.
func NewFilter(p schema.Principal) (Filter, error) {
	if err := p.Require(schema.ScopeRead); err != nil {
		return Filter{}, err
	}
	return TenantFilter(p)
}

// TenantFilter returns the filter of every entry of p's tenant, for callers who may erase but not read.
func TenantFilter(p schema.Principal) (Filter, error) {
	if p.Tenant == schema.AllTenants && !p.Admin() {
		return Filter{}, fmt.Errorf("%w: reading across tenants needs an administrator", schema.ErrForbidden)
	}
	f := Filter{tenant: p.Tenant}
	return f, f.check()
}

// Tenant returns the tenant whose entries are selected.
func (f Filter) Tenant() string { return f.tenant }

func (f Filter) check() error {
	if f.tenant == "" {
		return fmt.Errorf("%w: a query needs a tenant", schema.ErrUnauthenticated)
	}
	return nil
}

// Validate names the first field that is wrong, in the words of schema.Match, as a *schema.FieldError.
func (f Filter) Validate() error {
	if err := f.check(); err != nil {
		return err
	}
	for _, x := range f.Not {
		if err := x.validate(); err != nil {
			return err
		}
	}
	return f.Match.Validate()
}

// visible returns f with the days of receipt that it may show.
func (f Filter) visible(ctx context.Context, v *visible.Lookup) (_ Filter, err error) {
	f.since, err = v.Since(ctx, f.tenant)
	return f, err
}

// canonical returns f as one string, which differs for every different filter. Cursors are bound to it.
func (f Filter) canonical() string {
	var b strings.Builder
	for _, v := range [...]string{
		f.tenant, f.Platform, f.Device, f.Action, f.ActorID, f.ActorKind, f.NotActorKind, f.Username, f.RequestID, f.Search,
	} {
		fmt.Fprintf(&b, "%d:%s", len(v), v)
	}
	for _, t := range f.Targets {
		fmt.Fprintf(&b, "%d:%s%d:%s%d:%s", len(t.Type), t.Type, len(t.ID), t.ID, len(t.Else), t.Else)
	}
	fmt.Fprintf(&b, "%d-%d-%d%s", f.Start, f.End, f.ReceivedBefore, f.excluded())
	return b.String()
}

// entries returns the conditions on the table activity for entries that were received on the day since, YYYY-MM-DD, or later.
func (f Filter) entries(since string) *db.Clauses {
	c := &db.Clauses{}
	c.OfTenant(f.tenant)
	c.Match(f.Match)
	exclude(c, f.Not, false)
	f.since.After(since).Bound(c, "received_at")
	return c
}

// counts returns the rollup that covers f and the conditions on it, without those on hours.
func (f Filter) counts() (table string, c *db.Clauses) {
	r, _ := f.rollup()
	c = &db.Clauses{}
	c.OfTenant(f.tenant)
	table = "by_kind"
	if r.byEntity() {
		table = "by_entity"
		c.Add("kind = {kind:String}", "kind", r.kind.String())
		c.Add("entity = {entity:String}", "entity", r.entity)
	}
	c.AddIf("platform = {platform:String}", "platform", r.platform)
	c.AddIf("action = {action:String}", "action", r.action)
	if !r.byEntity() {
		exclude(c, f.Not, true)
	}
	f.since.Bound(c, "received")
	return table, c
}

// countsInHours returns the same with conditions on the hours of f's window.
func (f Filter) countsInHours() (table string, c *db.Clauses) {
	table, c = f.counts()
	c.AddHour("hour >= %s", "first_hour", hourOf(f.Start))
	if f.End != 0 { // the hour of the end may be 0
		c.Add("hour <= toDateTime({last_hour:UInt32}, 'UTC')", "last_hour", uint32(hourOf(f.End)/1000))
	}
	return table, c
}

// inHours returns the conditions on the entries of f within the hours that its rollup names.
func (f Filter) inHours() *db.Clauses {
	table, hours := f.countsInHours()
	c := f.entries(f.since.Day)
	c.Conds = append(c.Conds, "toStartOfHour(timestamp) IN (SELECT hour FROM "+table+hours.Where()+" GROUP BY hour HAVING sum(n) > 0)")
	c.Args = db.Merge(c.Args, hours.Args)
	return c
}

// rollup is the part of a filter that a rollup has, without the hours.
type rollup struct {
	kind             tables.Kind // of by_entity; 0 means by_kind
	entity           string
	platform, action string // of by_kind
}

func (r rollup) byEntity() bool { return r.kind != 0 }

// rollup returns the narrowest rollup that covers f. It is exact if it counts exactly the entries of f within whole hours.
func (f Filter) rollup() (r rollup, exact bool) {
	entities := []rollup{
		{kind: tables.KindDevice, entity: f.Device},
		{kind: tables.KindActor, entity: f.ActorID},
		{kind: tables.KindName, entity: f.Username},
	}
	exact = f.RequestID == "" && f.Search == "" && f.ActorKind == "" && f.NotActorKind == "" && f.ReceivedBefore == 0
	for _, t := range f.Targets {
		if t.Type == schema.DeviceTarget || t.Else != "" {
			exact = false // an entry matches by device or by target, or by one of two types: no single rollup has both
			continue
		}
		entities = append(entities, rollup{kind: tables.KindTarget, entity: t.Type})
		exact = exact && t.ID == ""
	}
	r = rollup{platform: f.Platform, action: f.Action}
	conditions := 0
	for _, e := range entities {
		if e.entity == "" {
			continue
		}
		if conditions == 0 {
			r = e
		}
		conditions++
	}
	exact = exact && f.exactIn(!r.byEntity())
	return r, exact && (conditions == 0 || conditions == 1 && f.Platform == "" && f.Action == "")
}

const hourMs = int64(time.Hour / time.Millisecond)

func hourOf(ms int64) int64 { return ms - ms%hourMs }
