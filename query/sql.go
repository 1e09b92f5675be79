package query

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// statement is a query and its server parameters. A value reaches the engine as a parameter and in no other way; the text is
// made of constants.
type statement struct {
	text string
	args []any // clickhouse.Named
}

// clauses collects the conditions of a WHERE.
type clauses struct {
	conds []string
	args  []any
}

// add takes a condition and the parameter that it names, if it names one.
func (c *clauses) add(cond, name string, value any) {
	c.conds = append(c.conds, cond)
	if name != "" {
		c.args = append(c.args, clickhouse.Named(name, value))
	}
}

// addIf is add unless value is empty.
func (c *clauses) addIf(cond, name, value string) {
	if value != "" {
		c.add(cond, name, value)
	}
}

func (c *clauses) where() string { return " WHERE " + strings.Join(c.conds, " AND ") }

// tokens is what the word index is over; the expression must be the index's own.
const tokens = "lower(concat(detail, ' ', details))"

// entries are the conditions on the table activity; floor is the first day of receipt, YYYY-MM-DD, that still counts.
func (f Filter) entries(floor string) *clauses {
	c := &clauses{}
	c.add("tenant = {tenant:String}", "tenant", f.tenant)
	c.addIf("platform = {platform:String}", "platform", f.Platform)
	c.addIf("action = {action:String}", "action", f.Action)
	c.addIf("device = {device:String}", "device", f.Device)
	c.addIf("actor_id = {actor:String}", "actor", f.ActorID)
	c.addIf("(actor_name = {name:String} OR (actor_name = '' AND actor_id = {name:String}))", "name", f.Username)
	switch {
	case f.TargetID != "":
		c.add("has(targets, {target:String})", "target", f.TargetType+"\x00"+f.TargetID)
	case f.TargetType != "":
		c.add("arrayExists(t -> startsWith(t, {target:String}), targets)", "target", f.TargetType+"\x00")
	}
	c.addIf("request_id = {request:String}", "request", f.RequestID)
	f.search(c)
	c.addTime("timestamp >= %s", "start", f.Start)
	c.addTime("timestamp <= %s", "end", f.End)
	c.add("received_at >= {floor:Date}", "floor", floor)
	return c
}

// addTime takes a condition on timestamp with one %s, unless ms, Unix ms, is 0.
func (c *clauses) addTime(cond, name string, ms int64) {
	if ms != 0 {
		c.add(fmt.Sprintf(cond, "fromUnixTimestamp64Milli({"+name+":Int64}, 'UTC')"), name, ms)
	}
}

// addHour takes a condition on hour with one %s, unless ms, Unix ms, is 0.
func (c *clauses) addHour(cond, name string, ms int64) {
	if ms != 0 {
		c.add(fmt.Sprintf(cond, "toDateTime({"+name+":UInt32}, 'UTC')"), name, uint32(ms/1000))
	}
}

func (f Filter) search(c *clauses) {
	if f.Search == "" {
		return
	}
	var all []string
	for i, w := range words(f.Search) {
		name := fmt.Sprintf("word%d", i)
		all = append(all, "hasToken("+tokens+", {"+name+":String})")
		c.args = append(c.args, clickhouse.Named(name, w))
	}
	cond := "request_id = {search:String}"
	if len(all) > 0 {
		cond = "(" + cond + " OR (" + strings.Join(all, " AND ") + "))"
	}
	c.add(cond, "search", f.Search)
}

// counts are the rollup that covers f and the conditions on it, the hours apart; floor as in entries.
func (f Filter) counts(floor string) (table string, c *clauses) {
	r, _ := f.rollup()
	c = &clauses{}
	c.add("tenant = {tenant:String}", "tenant", f.tenant)
	table = "by_kind"
	if r.kind != "" {
		table = "by_entity"
		c.add("kind = {kind:String}", "kind", r.kind)
		c.add("entity = {entity:String}", "entity", r.entity)
	}
	c.addIf("platform = {platform:String}", "platform", r.platform)
	c.addIf("action = {action:String}", "action", r.action)
	c.add("received >= {floor:Date}", "floor", floor)
	return table, c
}

// tenantWall is the value of the setting additional_table_filters that lets no table show another tenant's rows, whatever the
// query says. The tenant is written as hex, so that no tenant can end the literal within a literal.
func tenantWall(tenant string) string {
	cond := `tenant = unhex(\'` + hex.EncodeToString([]byte(tenant)) + `\')`
	return "{'activity':'" + cond + "','by_kind':'" + cond + "','by_entity':'" + cond + "'}"
}

func nameOf(arg any) string { return arg.(driver.NamedValue).Name }
