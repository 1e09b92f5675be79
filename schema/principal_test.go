package schema

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestRequire(t *testing.T) {
	all := Principal{Tenant: AllTenants, Roles: []string{"Admin"}, Scopes: Scopes()}
	for _, tt := range []struct {
		name string
		p    Principal
		s    Scope
		says string // "" where it may
	}{
		{"a scope it has", Principal{Tenant: "a", Scopes: []Scope{ScopeRead}}, ScopeRead, ""},
		{"a scope it has not", Principal{Tenant: "a", Scopes: []Scope{ScopeRead}}, ScopeDelete, "scope delete"},
		{"all tenants, read", all, ScopeRead, ""},
		{"all tenants, write", all, ScopeIngest, "?tenant="},
		{"all tenants, delete", all, ScopeDelete, "?tenant="},
	} {
		err := tt.p.Require(tt.s)
		if (err == nil) != (tt.says == "") || err != nil && (!errors.Is(err, ErrForbidden) || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.says)
		}
	}
	if p := (Principal{Roles: []string{"TenantAdmin"}}); !p.HasRole("Admin", "TenantAdmin") || !p.HasRole("tenantADMIN") || p.HasRole("TenantAdmins") || p.HasRole() || p.Admin() {
		t.Error("HasRole: wrong")
	}
	for role, admin := range map[string]bool{"ADMIN": true, "Admin": true, "admin": true, "aDmIn": true, "Administrator": false, "Analyst": false, "TenantAdmin": false, "": false} {
		if got := (Principal{Roles: []string{"other", role}}).Admin(); got != admin {
			t.Errorf("role %s: administrator %v, want %v", role, got, admin)
		}
	}
}

func TestPrincipalOf(t *testing.T) {
	why := &Refusal{Kind: ErrForbidden, Issue: "no"}
	for _, tt := range []struct {
		name string
		ctx  context.Context
		want error
	}{
		{"nobody asked", t.Context(), ErrUnauthenticated},
		{"refused", WithRefusal(t.Context(), why), why},
		{"without a tenant", WithPrincipal(t.Context(), Principal{Scopes: Scopes()}), ErrUnauthenticated},
		{"known", WithPrincipal(t.Context(), Anonymous()), nil},
	} {
		if p, err := PrincipalOf(tt.ctx); !errors.Is(err, tt.want) || (err == nil) != (p.Tenant != "") {
			t.Errorf("%s: got %+v, %v, want %v", tt.name, p, err, tt.want)
		}
	}
}

func TestOrganization(t *testing.T) {
	for tenant, want := range map[string]string{
		"0190a5d2-1234-7abc-8def-001122334455": "0190a5d2-1234-7abc-8def-001122334455",
		"0190A5D212347ABC8DEF001122334455":     "0190a5d2-1234-7abc-8def-001122334455",
		DefaultTenant:                          "af770de1-4589-5a42-ac5f-d0dc37ca672a",
		"acme":                                 "2aaa9190-55ac-5770-a0e7-ff907a0fecb2",
	} {
		if got := Organization(tenant).String(); got != want {
			t.Errorf("%s: got %s, want %s", tenant, got, want)
		}
	}
}
