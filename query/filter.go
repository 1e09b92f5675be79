package query

import (
	"fmt"
	"strings"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// Filter says which entries of one tenant are meant. The tenant comes from the principal alone: a Filter that NewFilter did not
// make is refused by everything that takes one. That of an administrator of schema.AllTenants means the entries of every tenant.
type Filter struct {
	tenant string
	schema.Match
	floor  string  // the first day of receipt, YYYY-MM-DD, that is visible; empty until Store.visible has looked it up
	others *others // tenants with another floor, where tenant is schema.AllTenants; nil if there are none
}

// NewFilter is the filter of everything that p may read; ErrForbidden without the scope read.
func NewFilter(p schema.Principal) (Filter, error) {
	if err := p.Require(schema.ScopeRead); err != nil {
		return Filter{}, err
	}
	return tenantFilter(p)
}

func tenantFilter(p schema.Principal) (Filter, error) {
	if p.Tenant == schema.AllTenants && !p.Admin() {
		return Filter{}, fmt.Errorf("%w: reading across tenants needs an administrator", schema.ErrForbidden)
	}
	f := Filter{tenant: p.Tenant}
	return f, f.check()
}

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
	return f.Match.Validate()
}

// canonical is f in one string, different for every different filter; cursors are bound to it.
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
	fmt.Fprintf(&b, "%d-%d-%d", f.Start, f.End, f.ReceivedBefore)
	return b.String()
}

// rollup is the part of a filter that a rollup knows, the hours apart.
type rollup struct {
	kind, entity     string // of by_entity; kind '' is by_kind
	platform, action string // of by_kind
}

// rollup is the narrowest rollup that covers f, and whether it counts exactly the entries of f within whole hours.
func (f Filter) rollup() (r rollup, exact bool) {
	entities := []rollup{
		{kind: "device", entity: f.Device},
		{kind: "actor", entity: f.ActorID},
		{kind: "name", entity: f.Username},
	}
	exact = f.RequestID == "" && f.Search == "" && f.ActorKind == "" && f.NotActorKind == "" && f.ReceivedBefore == 0
	for _, t := range f.Targets {
		if t.Type == schema.DeviceTarget || t.Else != "" {
			exact = false // an entry's device, or one of its targets; or of two types: no one rollup has both
			continue
		}
		entities = append(entities, rollup{kind: "target", entity: t.Type})
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
	return r, exact && (conditions == 0 || conditions == 1 && f.Platform == "" && f.Action == "")
}

const hourMs = int64(time.Hour / time.Millisecond)

func hourOf(ms int64) int64 { return ms - ms%hourMs }
