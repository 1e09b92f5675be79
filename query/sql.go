package query

import (
	"encoding/hex"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// statement is a query and its server parameters. A value reaches the engine as a parameter and in no other way; the text is
// made of constants.
type statement struct {
	text string
	args []any // clickhouse.Named
}

// clauses are those of schema/clickhouse, with what only readers ask for.
type clauses struct{ tables.Clauses }

// The two walls between tenants, either of which keeps foreign rows out alone. They are variables for the test that takes them
// away, one and both, to see that what is left holds and that it would notice.
var (
	ofTenant = "tenant = {tenant:String}"
	wallOf   = tenantWall
)

// of is the condition that the rows are the tenant's. It comes first in every query of entries and rollups; one for
// schema.AllTenants, which only a Filter of an administrator of all has, goes without.
func (c *clauses) of(tenant string) {
	if tenant != schema.AllTenants {
		c.Add(ofTenant, "tenant", tenant)
	}
}

// entries are the conditions on the table activity; floor is the first day of receipt, YYYY-MM-DD, that still counts.
func (f Filter) entries(floor string) *clauses {
	c := &clauses{}
	c.of(f.tenant)
	c.Match(f.Match)
	c.since("received_at", f, floor)
	return c
}

// since is the condition that entries were received on the day floor or later, or on the day that their own tenant has instead.
func (c *clauses) since(column string, f Filter, floor string) {
	if f.others == nil {
		c.Add(column+" >= {floor:Date}", "floor", floor)
		return
	}
	c.Add(column+" >= transform(toString(tenant), {others:Array(String)}, {floors:Array(Date)}, {floor:Date})", "floor", floor)
	c.Args = append(c.Args, clickhouse.Named("others", f.others.tenants), clickhouse.Named("floors", f.others.floors))
}

// addHour takes a condition on hour with one %s, unless ms, Unix ms, is 0.
func (c *clauses) addHour(cond, name string, ms int64) {
	if ms != 0 {
		c.Add(fmt.Sprintf(cond, "toDateTime({"+name+":UInt32}, 'UTC')"), name, uint32(ms/1000))
	}
}

// counts are the rollup that covers f and the conditions on it, the hours apart; floor as in entries.
func (f Filter) counts(floor string) (table string, c *clauses) {
	r, _ := f.rollup()
	c = &clauses{}
	c.of(f.tenant)
	table = "by_kind"
	if r.kind != "" {
		table = "by_entity"
		c.Add("kind = {kind:String}", "kind", r.kind)
		c.Add("entity = {entity:String}", "entity", r.entity)
	}
	c.AddIf("platform = {platform:String}", "platform", r.platform)
	c.AddIf("action = {action:String}", "action", r.action)
	c.since("received", f, floor)
	return table, c
}

// tenantWall is the value of the setting additional_table_filters that lets no table show another tenant's rows, whatever the
// query says. The tenant is written as hex, so that no tenant can end the literal within a literal.
func tenantWall(tenant string) string {
	if tenant == schema.AllTenants {
		return "{}"
	}
	cond := `tenant = unhex(\'` + hex.EncodeToString([]byte(tenant)) + `\')`
	return "{'activity':'" + cond + "','by_kind':'" + cond + "','by_entity':'" + cond + "'}"
}

func nameOf(arg any) string { return arg.(driver.NamedValue).Name }
