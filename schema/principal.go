package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Scope is a permission of a caller.
type Scope string

// The scopes.
const (
	ScopeIngest Scope = "ingest"
	ScopeRead   Scope = "read"
	ScopeDelete Scope = "delete"
	ScopeAdmin  Scope = "admin"
)

// Scopes lists all scopes.
func Scopes() []Scope { return []Scope{ScopeIngest, ScopeRead, ScopeDelete, ScopeAdmin} }

// The known roles. Their case does not matter.
const (
	RoleAdmin       = "ADMIN"       // of the audit dialect; the things dialect writes Admin
	RoleTenantAdmin = "TenantAdmin" // of the things dialect
	RoleAccessAdmin = "AccessAdmin" // of the things dialect
	RoleAnalyst     = "Analyst"     // reads everything of its tenant in every dialect, and changes nothing
)

// Roles lists all known roles.
func Roles() []string { return []string{RoleAdmin, RoleTenantAdmin, RoleAccessAdmin, RoleAnalyst} }

// Tenants with a special meaning. No entry has the tenant AllTenants.
const (
	DefaultTenant = "default" // of every caller while no authentication is configured
	AllTenants    = "*"       // of a principal that reads across tenants
)

// Principal is the caller of a request. Its tenant comes only from the credential.
type Principal struct {
	Tenant  string
	Subject string
	Roles   []string
	Scopes  []Scope
}

// Anonymous returns the principal of every request while no authentication is configured: the default tenant with every permission.
func Anonymous() Principal {
	return Principal{Tenant: DefaultTenant, Subject: "anonymous", Roles: []string{"ADMIN", "Admin"}, Scopes: Scopes()}
}

// HasRole reports whether p has at least one of the roles. Case does not matter, because identity providers differ in it.
func (p Principal) HasRole(names ...string) bool {
	return slices.ContainsFunc(p.Roles, func(role string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, role) })
	})
}

// Admin reports whether p is an administrator.
func (p Principal) Admin() bool { return p.HasRole(RoleAdmin) }

// Require returns ErrForbidden unless p has the scope. A principal of AllTenants must choose one tenant to write or delete.
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

// In returns p within the tenant that a request names; "" names none. Only an administrator of AllTenants may name a tenant other than its
// own, and only an administrator may have the tenant AllTenants.
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

// organizations is the namespace of Organization. It is a random UUID that must never change: clients store the ids made with it.
var organizations = uuid.MustParse("1e5bd9c3-b5cb-4121-935f-d621d1d54a21")

// Organization returns the id of a tenant for a dialect that needs a UUID: the tenant itself if it is a UUID, otherwise its UUIDv5 in the
// namespace 1e5bd9c3-b5cb-4121-935f-d621d1d54a21.
func Organization(tenant string) uuid.UUID {
	if u, err := uuid.Parse(tenant); err == nil {
		return u
	}
	return uuid.NewSHA1(organizations, []byte(tenant))
}

type principalKey struct{}

// identity is the value in a request's context: a principal, or the reason why there is none.
type identity struct {
	principal Principal
	refusal   error
}

// WithPrincipal adds the principal to a request's context.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, &identity{principal: p})
}

// WithRefusal adds to a request's context the reason why it has no principal; PrincipalOf returns it.
func WithRefusal(ctx context.Context, why error) context.Context {
	return context.WithValue(ctx, principalKey{}, &identity{refusal: why})
}

// PrincipalOf returns the caller of a request, or the reason why there is none: ErrUnauthenticated, ErrForbidden, temporarily
// ErrUnavailable or ErrRateLimited, or ErrInvalid if the request names a tenant that cannot exist.
func PrincipalOf(ctx context.Context) (Principal, error) {
	i, _ := ctx.Value(principalKey{}).(*identity)
	switch {
	case i == nil:
		return Principal{}, fmt.Errorf("%w: the request was not authenticated", ErrUnauthenticated)
	case i.refusal != nil:
		return Principal{}, i.refusal
	case i.principal.Tenant == "":
		return Principal{}, fmt.Errorf("%w: credentials without a tenant", ErrUnauthenticated)
	}
	return i.principal, nil
}
