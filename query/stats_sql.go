package query

import (
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// statsQuery makes the statements of a Statistics. They group rows of (hour, value, n), several of which may have the same hour
// and value: the rows of a rollup where one is exact, and otherwise those of the entries.
type statsQuery struct {
	Statistics
	direct bool // read the entries of the window, whatever the rollups have
}

// dimensions says where the values of a dimension are: in by_entity under the kind, otherwise in by_kind in the column, which an entry has
// too.
var dimensions = [...]struct {
	kind   tables.Kind // 0: the dimension is in by_kind
	column string
}{
	ByNothing:    {column: "''"},
	ByAction:     {column: "toString(action)"},
	ByPlatform:   {column: "toString(platform)"},
	ByDevice:     {kind: tables.KindDevice},
	ByActor:      {kind: tables.KindActor},
	ByUsername:   {kind: tables.KindName},
	ByTargetType: {kind: tables.KindTarget},
}

func (d Dimension) byEntity() bool { return dimensions[d].kind != 0 }

// ofEntry returns an entry's value, as an expression over the columns of activity; ByTargetType has a row for each value.
func (d Dimension) ofEntry() string {
	switch {
	case !d.byEntity():
		return dimensions[d].column
	case d == ByTargetType:
		return "arrayJoin(arrayDistinct(arrayConcat(" + tables.KindTarget.SQL() + ", if(device != '', [{device_type:String}], []))))"
	}
	return dimensions[d].kind.SQL()
}

// topStatement counts each value over the whole window.
func (q statsQuery) topStatement() db.Statement {
	text, args := q.rows()
	picked, args := q.valued(args)
	return db.Statement{
		Text: "SELECT value, toUInt64(sum(n)) AS entries, toUInt64(sum(entries) OVER ()) FROM (" + text + ")" + picked +
			" GROUP BY value HAVING sum(n) > 0 ORDER BY entries DESC, value" + fmt.Sprintf(" LIMIT %d", q.Top),
		Args: args,
	}
}

// seriesStatement counts the values for each interval; nil means all values.
func (q statsQuery) seriesStatement(values []string) db.Statement {
	text, args := q.rows()
	bucket, picked := "hour", ""
	if q.Interval == 24*time.Hour {
		bucket = "toStartOfDay(hour)"
	}
	if values != nil {
		picked, args = " WHERE value IN {values:Array(String)}", append(args, clickhouse.Named("values", values))
	} else {
		picked, args = q.valued(args)
	}
	return db.Statement{
		Text: "SELECT " + bucket + " AS bucket, value, toUInt64(sum(n)) AS entries FROM (" + text + ")" + picked +
			" GROUP BY bucket, value HAVING sum(n) > 0 ORDER BY bucket, entries DESC, value" + fmt.Sprintf(" LIMIT %d", MaxBuckets+1),
		Args: args,
	}
}

// valued leaves out entries without a value, and values that do not contain the text that is looked for.
func (q statsQuery) valued(args []any) (string, []any) {
	switch {
	case q.By == ByNothing:
		return "", args
	case q.Contains == "":
		return " WHERE value != ''", args
	}
	return " WHERE positionCaseInsensitiveUTF8(value, {contains:String}) > 0", append(args, clickhouse.Named("contains", q.Contains))
}

// within reports whether the interval is shorter than the hours of the rollups.
func (q statsQuery) within() bool { return q.Interval != 0 && q.Interval < time.Hour }

// hour is where an entry's interval begins, at most an hour long.
func (q statsQuery) hour() string {
	if q.within() {
		return fmt.Sprintf("toStartOfInterval(timestamp, toIntervalSecond(%d))", int(q.Interval.Seconds()))
	}
	return "toStartOfHour(timestamp)"
}

// rows returns the rows of (hour, value, n).
func (q statsQuery) rows() (string, []any) {
	f := q.Filter
	first, end, whole := f.wholeHours()
	switch {
	case q.direct, q.exact() && !whole:
		return q.entries(f.entries(f.since.Day))
	case !q.exact(), q.within():
		return q.entries(f.inHours())
	}
	text, args := q.rollup(first, end)
	if c := f.outside(first, end); c != nil {
		edges, more := q.entries(c)
		text, args = text+" UNION ALL "+edges, db.Merge(args, more)
	}
	return text, args
}

// entries returns the rows counted from the entries.
func (q statsQuery) entries(c *db.Clauses) (string, []any) {
	args := c.Args
	if q.By == ByTargetType {
		args = db.Merge(args, []any{clickhouse.Named("device_type", schema.DeviceTarget)})
	}
	return "SELECT " + q.hour() + " AS hour, " + q.By.ofEntry() + " AS value, toInt64(count()) AS n FROM activity" +
		c.Where() + " GROUP BY hour, value", args
}

// exact reports whether one rollup has both the filter and the dimension.
func (q statsQuery) exact() bool {
	r, exact := q.Filter.rollup()
	switch {
	case !exact || q.By == ByNothing:
		return exact
	case !q.By.byEntity():
		return !r.byEntity()
	case r == rollup{}:
		return !q.Filter.excludes() // by_entity has neither actions nor platforms
	}
	// The entries of a device have that device and no other; those with a target of a type may have others.
	return r.kind == dimensions[q.By].kind && q.By != ByTargetType
}

// rollup returns the rows counted from the rollup, for the hours in [first, end), Unix ms.
func (q statsQuery) rollup(first, end int64) (string, []any) {
	if q.By == ByTargetType {
		return q.targets(first, end)
	}
	d := dimensions[q.By]
	table, c := q.Filter.counts()
	value := d.column
	if q.By.byEntity() {
		value = "entity"
		if table == "by_kind" { // a filter without conditions
			table, c = q.entities(d.kind, "kind")
		}
	}
	c.AddHours(first, end)
	return "SELECT hour, " + value + " AS value, n FROM " + table + c.Where(), c.Args
}

// entities returns the conditions on by_entity for all entities of a kind; name is the name of the parameter.
func (q statsQuery) entities(kind tables.Kind, name string) (string, *db.Clauses) {
	c := &db.Clauses{}
	c.OfTenant(q.Filter.tenant)
	c.Add("kind = {"+name+":String}", name, kind.String())
	q.Filter.since.Bound(c, "received")
	return "by_entity", c
}

// targets returns the rollup's rows by type of target. An entry can match the device's type by its device or by a target; hours
// with such targets are counted from entries. Usually there are none.
func (q statsQuery) targets(first, end int64) (string, []any) {
	table, others := q.entities(tables.KindTarget, "kind")
	others.AddHours(first, end)
	named := db.Clauses{Clauses: others.Clauses}
	named.Conds = append(named.Conds[:len(named.Conds):len(named.Conds)], "entity = {device_type:String}")
	mixed := "(SELECT hour FROM " + table + named.Where() + " GROUP BY hour HAVING sum(n) > 0)"
	others.Add("entity != {device_type:String}", "device_type", schema.DeviceTarget)
	_, devices := q.entities(tables.KindDevice, "device_kind")
	devices.AddHours(first, end)
	devices.Conds = append(devices.Conds, "hour NOT IN "+mixed)
	f := q.Filter
	f.Targets[0].Type = schema.DeviceTarget
	both := f.entries(f.since.Day)
	both.Conds = append(both.Conds, "toStartOfHour(timestamp) IN "+mixed)
	return "SELECT hour, entity AS value, n FROM " + table + others.Where() +
			" UNION ALL SELECT hour, {device_type:String} AS value, n FROM " + table + devices.Where() +
			" UNION ALL SELECT toStartOfHour(timestamp) AS hour, {device_type:String} AS value, toInt64(count()) AS n FROM activity" + both.Where() + " GROUP BY hour",
		db.Merge(others.Args, devices.Args, both.Args)
}
