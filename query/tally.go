package query

import (
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/schema"
)

// tally makes the statements of a Statistics. Their core are rows of (hour, value, n), several of which may be of one hour and
// value: the rollup's where it is exact, the entries' where it is not.
type tally struct {
	Statistics
	floor  string
	direct bool // read the entries of the window, whatever the rollups have
}

// dimensions say where a value is found: in by_entity under the kind, or else in by_kind in the column; and in an entry.
var dimensions = [...]struct{ kind, column, entry string }{
	ByNothing:  {"", "''", "''"},
	ByAction:   {"", "toString(action)", "toString(action)"},
	ByPlatform: {"", "toString(platform)", "toString(platform)"},
	ByDevice:   {"device", "", "device"},
	ByActor:    {"actor", "", "actor_id"},
	ByUsername: {"name", "", "if(actor_name != '', actor_name, actor_id)"},
	ByTargetType: {"target", "", "arrayJoin(arrayDistinct(arrayConcat(" +
		"arrayMap(t -> splitByChar('\\0', t)[1], targets), if(device != '', [{device_type:String}], []))))"},
}

// top counts each value over the whole window.
func (t tally) top() statement {
	text, args := t.rows()
	return statement{
		"SELECT value, toUInt64(sum(n)) AS entries, toUInt64(sum(entries) OVER ()) FROM (" + text + ")" + t.valued() +
			" GROUP BY value HAVING sum(n) > 0 ORDER BY entries DESC, value" + fmt.Sprintf(" LIMIT %d", t.Top),
		args,
	}
}

// series counts the values for each interval; nil are all.
func (t tally) series(values []string) statement {
	text, args := t.rows()
	bucket, picked := "hour", t.valued()
	if t.Interval == 24*time.Hour {
		bucket = "toStartOfDay(hour)"
	}
	if values != nil {
		picked, args = " WHERE value IN {values:Array(String)}", append(args, clickhouse.Named("values", values))
	}
	return statement{
		"SELECT " + bucket + " AS bucket, value, toUInt64(sum(n)) AS entries FROM (" + text + ")" + picked +
			" GROUP BY bucket, value HAVING sum(n) > 0 ORDER BY bucket, entries DESC, value" + fmt.Sprintf(" LIMIT %d", MaxBuckets+1),
		args,
	}
}

// valued leaves out what has no value.
func (t tally) valued() string {
	if t.By == ByNothing {
		return ""
	}
	return " WHERE value != ''"
}

// rows are the rows of (hour, value, n).
func (t tally) rows() (string, []any) {
	f := t.Filter
	if t.direct {
		c := f.entries(t.floor)
		return t.entries(c, c.Args)
	}
	if !t.exact() {
		table, hours := f.counts(t.floor)
		hours.addHour("hour >= %s", "first_hour", hourOf(f.Start))
		hours.addHour("hour <= %s", "last_hour", hourOf(f.End))
		c := f.entries(t.floor)
		c.Conds = append(c.Conds, within(table, hours))
		return t.entries(c, merge(c.Args, hours.Args))
	}
	first, end := hourOf(f.Start+hourMs-1), hourOf(f.End+1) // as in countOf
	if f.End != 0 && end <= first {
		c := f.entries(t.floor)
		return t.entries(c, c.Args)
	}
	text, args := t.rollup(first, end)
	if c := f.outside(first, end, t.floor); c != nil {
		edges, more := t.entries(c, c.Args)
		text, args = text+" UNION ALL "+edges, merge(args, more)
	}
	return text, args
}

// within is the condition that an entry lies in the hours that a rollup names.
func within(table string, hours *clauses) string {
	return "toStartOfHour(timestamp) IN (SELECT hour FROM " + table + hours.Where() + " GROUP BY hour HAVING sum(n) > 0)"
}

// entries are the rows as the entries have them.
func (t tally) entries(c *clauses, args []any) (string, []any) {
	if t.By == ByTargetType {
		args = merge(args, []any{clickhouse.Named("device_type", schema.DeviceTarget)})
	}
	return "SELECT toStartOfHour(timestamp) AS hour, " + dimensions[t.By].entry + " AS value, toInt64(count()) AS n FROM activity" +
		c.Where() + " GROUP BY hour, value", args
}

// exact says whether one rollup knows the filter and the dimension both.
func (t tally) exact() bool {
	r, exact := t.Filter.rollup()
	kind := dimensions[t.By].kind
	switch {
	case !exact || t.By == ByNothing:
		return exact
	case kind == "": // a kind of by_kind
		return r.kind == ""
	case r == rollup{}:
		return true
	}
	// The entries of a device have that device and no other; those with a target of a type may have others.
	return r.kind == kind && t.By != ByTargetType
}

// rollup are the rows as the rollup has them, of the hours in [first, end), Unix ms.
func (t tally) rollup(first, end int64) (string, []any) {
	if t.By == ByTargetType {
		return t.targets(first, end)
	}
	d := dimensions[t.By]
	table, c := t.Filter.counts(t.floor)
	value := d.column
	if d.kind != "" {
		value = "entity"
		if table == "by_kind" { // a filter without conditions
			table, c = t.entities(d.kind, "kind")
		}
	}
	c.addHours(first, end)
	return "SELECT hour, " + value + " AS value, n FROM " + table + c.Where(), c.Args
}

// entities are the conditions on by_entity for all entities of a kind; name is the parameter's.
func (t tally) entities(kind, name string) (string, *clauses) {
	c := &clauses{}
	c.of(t.Filter.tenant)
	c.Add("kind = {"+name+":String}", name, kind)
	c.Add("received >= {floor:Date}", "floor", t.floor)
	return "by_entity", c
}

// addHours takes the hours in [first, end), Unix ms; 0 is no bound.
func (c *clauses) addHours(first, end int64) {
	c.addHour("hour >= %s", "first_hour", first)
	c.addHour("hour < %s", "end_hour", end)
}

// targets are the rollup's rows by type of target. What is of the device's type are the entries with a device and those that
// have such a target: as one entry can be both, the hours with such targets are read from the entries. Usually there are none.
func (t tally) targets(first, end int64) (string, []any) {
	table, others := t.entities("target", "kind")
	others.addHours(first, end)
	named := clauses{others.Clauses}
	named.Conds = append(named.Conds[:len(named.Conds):len(named.Conds)], "entity = {device_type:String}")
	mixed := "(SELECT hour FROM " + table + named.Where() + " GROUP BY hour HAVING sum(n) > 0)"
	others.Add("entity != {device_type:String}", "device_type", schema.DeviceTarget)
	_, devices := t.entities("device", "device_kind")
	devices.addHours(first, end)
	devices.Conds = append(devices.Conds, "hour NOT IN "+mixed)
	f := t.Filter
	f.Targets[0].Type = schema.DeviceTarget
	both := f.entries(t.floor)
	both.Conds = append(both.Conds, "toStartOfHour(timestamp) IN "+mixed)
	return "SELECT hour, entity AS value, n FROM " + table + others.Where() +
			" UNION ALL SELECT hour, {device_type:String} AS value, n FROM " + table + devices.Where() +
			" UNION ALL SELECT toStartOfHour(timestamp) AS hour, {device_type:String} AS value, toInt64(count()) AS n FROM activity" + both.Where() + " GROUP BY hour",
		merge(others.Args, devices.Args, both.Args)
}
