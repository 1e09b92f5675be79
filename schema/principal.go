package schema

import (
	"context"
	"fmt"
	"slices"
)

// Scope is a kind of thing that a caller may do.
type Scope string

// The scopes of dialect E.
const (
	ScopeIngest Scope = "ingest"
	ScopeRead   Scope = "read"
	ScopeDelete Scope = "delete"
	ScopeAdmin  Scope = "admin"
)

// DefaultTenant is everybody's tenant while no authentication is configured.
const DefaultTenant = "default"

// Principal is who is asking. Its tenant comes from the credential and from nowhere else.
type Principal struct {
	Tenant  string
	Subject string
	Roles   []string
	Scopes  []Scope
}

// Anonymous is the principal of every request while no authentication is configured: the default tenant, every right.
func Anonymous() Principal {
	return Principal{Tenant: DefaultTenant, Subject: "anonymous", Roles: []string{"ADMIN", "Admin"}, Scopes: []Scope{ScopeIngest, ScopeRead, ScopeDelete, ScopeAdmin}}
}

// Require is ErrForbidden unless p has the scope.
func (p Principal) Require(s Scope) error {
	if !slices.Contains(p.Scopes, s) {
		return fmt.Errorf("%w: needs the scope %s", ErrForbidden, s)
	}
	return nil
}

type principalKey struct{}

// WithPrincipal gives a request's context its principal.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf is who is asking; ErrUnauthenticated where nobody has been identified.
func PrincipalOf(ctx context.Context) (Principal, error) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	if !ok || p.Tenant == "" {
		return Principal{}, fmt.Errorf("%w: no credentials", ErrUnauthenticated)
	}
	return p, nil
}
