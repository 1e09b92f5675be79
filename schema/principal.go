package schema

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// Scope is a kind of thing that a caller may do.
type Scope string

// The scopes that there are.
const (
	ScopeIngest Scope = "ingest"
	ScopeRead   Scope = "read"
	ScopeDelete Scope = "delete"
	ScopeAdmin  Scope = "admin"
)

// Scopes are all of them.
func Scopes() []Scope { return []Scope{ScopeIngest, ScopeRead, ScopeDelete, ScopeAdmin} }

// Tenants with a meaning of their own. No entry has the tenant AllTenants.
const (
	DefaultTenant = "default" // everybody's while no authentication is configured
	AllTenants    = "*"       // of a principal that reads across tenants
)

// Principal is who is asking. Its tenant comes from the credential and from nowhere else.
type Principal struct {
	Tenant  string
	Subject string
	Roles   []string
	Scopes  []Scope
}

// Anonymous is the principal of every request while no authentication is configured: the default tenant, every right.
func Anonymous() Principal {
	return Principal{Tenant: DefaultTenant, Subject: "anonymous", Roles: []string{"ADMIN", "Admin"}, Scopes: Scopes()}
}

// HasRole reports whether p has one of the roles. Their names tell large letters from small ones.
func (p Principal) HasRole(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(p.Roles, name) })
}

// Admin reports whether p has the role of an administrator, as either of two dialects spells it.
func (p Principal) Admin() bool { return p.HasRole("ADMIN", "Admin") }

// Require is ErrForbidden unless p has the scope. Who reads across tenants has to name one to write to it or delete in it.
func (p Principal) Require(s Scope) error {
	if !slices.Contains(p.Scopes, s) {
		return &Refusal{Kind: ErrForbidden, Issue: "needs the scope " + string(s)}
	}
	if p.Tenant == AllTenants && (s == ScopeIngest || s == ScopeDelete) {
		return &Refusal{Kind: ErrForbidden, Issue: "these credentials are of no one tenant: name the one to " + verbs[s] + " with ?tenant="}
	}
	return nil
}

var verbs = map[Scope]string{ScopeIngest: "write to", ScopeDelete: "delete from"}

// In is p as seen by the tenant that a request names; "" names none. Only an administrator of AllTenants may name another
// tenant than its own, and only an administrator may be of AllTenants.
func (p Principal) In(tenant string) (Principal, error) {
	if p.Tenant == AllTenants && !p.Admin() {
		return Principal{}, &Refusal{Kind: ErrForbidden, Issue: "reading across tenants needs the role ADMIN"}
	}
	if tenant == "" || tenant == p.Tenant {
		return p, nil
	}
	if p.Tenant != AllTenants {
		return Principal{}, &Refusal{Kind: ErrForbidden, Issue: "these credentials are of another tenant"}
	}
	if err := CheckText("tenant", tenant, MaxNameBytes); err != nil {
		return Principal{}, err
	}
	p.Tenant = tenant
	return p, nil
}

// organizations is the namespace of Organization, a random UUID that must never change: clients keep what it leads to.
var organizations = uuid.MustParse("1e5bd9c3-b5cb-4121-935f-d621d1d54a21")

// Organization is the id of a tenant where a dialect wants a UUID: the tenant itself if it is one, else the UUIDv5 of it in the
// namespace 1e5bd9c3-b5cb-4121-935f-d621d1d54a21.
func Organization(tenant string) uuid.UUID {
	if u, err := uuid.Parse(tenant); err == nil {
		return u
	}
	return uuid.NewSHA1(organizations, []byte(tenant))
}

type principalKey struct{}

// identity is what a request's context holds: a principal, or the reason why there is none.
type identity struct {
	principal Principal
	refusal   error
}

// WithPrincipal gives a request's context its principal.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, &identity{principal: p})
}

// WithRefusal gives a request's context the reason why it has no principal, for PrincipalOf to return.
func WithRefusal(ctx context.Context, why error) context.Context {
	return context.WithValue(ctx, principalKey{}, &identity{refusal: why})
}

// PrincipalOf is who is asking, or why that is not known: ErrUnauthenticated or ErrForbidden, for a while ErrUnavailable or
// ErrRateLimited, or ErrInvalid where the request names a tenant that cannot be one.
func PrincipalOf(ctx context.Context) (Principal, error) {
	i, _ := ctx.Value(principalKey{}).(*identity)
	switch {
	case i == nil:
		return Principal{}, fmt.Errorf("%w: nobody was identified", ErrUnauthenticated)
	case i.refusal != nil:
		return Principal{}, i.refusal
	case i.principal.Tenant == "":
		return Principal{}, fmt.Errorf("%w: credentials without a tenant", ErrUnauthenticated)
	}
	return i.principal, nil
}
