package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/identity/apikey"
	"github.com/activitylog/activitylog/schema"
)

func TestRotation(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	old := apikey.Key{
		ID: "a", Hash: "b", Name: "phones", Tenant: "acme", Roles: []string{"Analyst"}, Scopes: []schema.Scope{schema.ScopeRead}, Rate: 3,
		Created: now.Add(-80 * day), Expires: now.Add(10 * day),
	}
	want := apikey.Key{Name: "phones", Tenant: "acme", Roles: old.Roles, Scopes: old.Scopes, Rate: 3, Created: now, Expires: now.Add(90 * day)}
	if got := successor(old, now); !reflect.DeepEqual(got, want) {
		t.Errorf("successor: got %+v, want %+v", got, want)
	}
	forever := old
	forever.Expires = time.Time{}
	if got := successor(forever, now); !got.Expires.IsZero() {
		t.Errorf("successor of a key without an end: ends at %v", got.Expires)
	}
	for _, c := range []struct {
		old              apikey.Key
		overlap          time.Duration
		expires, revoked time.Time
	}{
		{old, day, now.Add(day), time.Time{}},
		{old, 30 * day, old.Expires, time.Time{}},
		{forever, day, now.Add(day), time.Time{}},
		{forever, 0, time.Time{}, now},
	} {
		if got := retired(c.old, now, c.overlap); !got.Expires.Equal(c.expires) || !got.Revoked.Equal(c.revoked) || got.ID != "a" {
			t.Errorf("overlap %v: got %+v, want it to end at %v, revoked %v", c.overlap, got, c.expires, c.revoked)
		}
	}
}

func TestKnownRoles(t *testing.T) {
	got, err := knownRoles([]string{"admin", "TENANTADMIN", "accessAdmin", "analyst"})
	if want := []string{"ADMIN", "TenantAdmin", "AccessAdmin", "Analyst"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, name := range []string{"Analist", "administrator", "", "ADMIN,TenantAdmin", " ADMIN"} {
		if got, err := knownRoles([]string{name}); err == nil || !strings.Contains(err.Error(), "--role") || !strings.Contains(err.Error(), "Analyst") {
			t.Errorf("%q: got %v, %v", name, got, err)
		}
	}
}
