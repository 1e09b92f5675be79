package identity

import (
	"slices"
	"strings"

	"github.com/activitylog/activitylog/schema"
)

// scopesOf returns our scopes in a space-separated list. It ignores scopes of other services.
func scopesOf(list string) []schema.Scope {
	var scopes []schema.Scope
	for name := range strings.FieldsSeq(list) {
		if s := schema.Scope(name); slices.Contains(schema.Scopes(), s) {
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
	switch role {
	case "ADMIN", "Admin":
		return schema.Scopes()
	case "TenantAdmin":
		return []schema.Scope{schema.ScopeIngest, schema.ScopeRead, schema.ScopeDelete}
	case "AccessAdmin":
		return []schema.Scope{schema.ScopeRead}
	}
	return []schema.Scope{schema.ScopeIngest, schema.ScopeRead}
}
