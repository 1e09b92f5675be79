package db

import "testing"

// TakeDown removes filters between tenants until the test ends: the predicate of every query, or the setting that filters every table.
func TakeDown(t *testing.T, predicate, setting bool) {
	before, filter := ofTenant, filterOf
	t.Cleanup(func() { ofTenant, filterOf = before, filter })
	if predicate {
		ofTenant = "{tenant:String} != ''" // true of every tenant
	}
	if setting {
		filterOf = func(string) string { return "{}" }
	}
}
