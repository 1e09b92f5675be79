package identity

import (
	"slices"
	"strings"

	"github.com/activitylog/activitylog/schema"
)

// scopesOf returns our scopes among names, which may be written in any case. It ignores scopes of other services.
func scopesOf(names []string) []schema.Scope {
	var scopes []schema.Scope
	for _, name := range names {
		if s := schema.Scope(strings.ToLower(name)); slices.Contains(schema.Scopes(), s) && !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// ScopesOfRoles returns the scopes of a credential that lists none.
func ScopesOfRoles(roles []string) []schema.Scope {
	if len(roles) == 0 {
		roles = []string{""}
	}
	var scopes []schema.Scope
	for _, role := range roles {
		for _, s := range scopesOfRole(role) {
			if !slices.Contains(scopes, s) {
				scopes = append(scopes, s)
			}
		}
	}
	return scopes
}

func scopesOfRole(role string) []schema.Scope {
	switch known, _ := Role(role); known {
	case schema.RoleAdmin:
		return schema.Scopes()
	case schema.RoleTenantAdmin:
		return []schema.Scope{schema.ScopeIngest, schema.ScopeRead, schema.ScopeDelete}
	case schema.RoleAccessAdmin, schema.RoleAnalyst:
		return []schema.Scope{schema.ScopeRead}
	}
	return []schema.Scope{schema.ScopeIngest, schema.ScopeRead}
}

// Role returns the known role that name means, which may be written in any case; false if there is none.
func Role(name string) (string, bool) {
	i := slices.IndexFunc(schema.Roles(), func(role string) bool { return strings.EqualFold(role, name) })
	if i < 0 {
		return "", false
	}
	return schema.Roles()[i], true
}
