package db

import (
	"encoding/hex"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// Statement is a query and its server parameters. Values are only sent as parameters; the text consists of constants.
type Statement struct {
	Text     string
	Args     []any // clickhouse.Named
	MaxBytes int   // of a tenant's result: beyond it the query fails with ErrTooMuch, mostly before the first row; 0: no limit
}

// Clauses are those of schema/clickhouse, with what only readers ask for.
type Clauses struct{ tables.Clauses }

// The two independent filters that separate tenants: a predicate and a setting. They are variables so that a test can remove one or both:
// with one the separation must hold, and without both the test must fail.
var (
	ofTenant = "tenant = {tenant:String}"
	filterOf = tenantFilter
)

// OfTenant adds the condition that the rows are the tenant's. It comes first in every query of entries and rollups. For
// schema.AllTenants, which only the filter of an administrator of all tenants has, it adds nothing.
func (c *Clauses) OfTenant(tenant string) {
	if tenant != schema.AllTenants {
		c.Add(ofTenant, "tenant", tenant)
	}
}

// AddHour adds a condition on hour with one %s, unless ms, Unix ms, is 0.
func (c *Clauses) AddHour(cond, name string, ms int64) {
	if ms != 0 {
		c.Add(fmt.Sprintf(cond, "toDateTime({"+name+":UInt32}, 'UTC')"), name, uint32(ms/1000))
	}
}

// AddHours adds the condition that hour is in [first, end), Unix ms; 0 is no bound.
func (c *Clauses) AddHours(first, end int64) {
	c.AddHour("hour >= %s", "first_hour", first)
	c.AddHour("hour < %s", "end_hour", end)
}

// tenantFilter returns the value of the setting additional_table_filters that hides other tenants' rows in every table, whatever the query
// says. The tenant is written as hex, so that no tenant can end the literal within a literal.
func tenantFilter(tenant string) string {
	if tenant == schema.AllTenants {
		return "{}"
	}
	cond := `tenant = unhex(\'` + hex.EncodeToString([]byte(tenant)) + `\')`
	return "{'activity':'" + cond + "','by_kind':'" + cond + "','by_entity':'" + cond + "'}"
}

// Merge joins parameters. Of those with the same name, which have the same value, the first stays.
func Merge(lists ...[]any) []any {
	seen := map[string]bool{}
	var out []any
	for _, list := range lists {
		for _, a := range list {
			if name := a.(driver.NamedValue).Name; !seen[name] {
				seen[name] = true
				out = append(out, a)
			}
		}
	}
	return out
}
