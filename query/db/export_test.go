package db

import "testing"

// TakeDown takes away walls between tenants until the test ends: the predicate of every query, or the setting that filters
// every table.
func TakeDown(t *testing.T, predicate, setting bool) {
	before, wall := ofTenant, wallOf
	t.Cleanup(func() { ofTenant, wallOf = before, wall })
	if predicate {
		ofTenant = "{tenant:String} != ''" // true of every tenant
	}
	if setting {
		wallOf = func(string) string { return "{}" }
	}
}
