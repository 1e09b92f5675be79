package clickhouse

import (
	"strings"

	"github.com/activitylog/activitylog/schema/activitypb"
)

// Only this file defines what an entry counts for in the rollups. Entries are counted in Go when they are stored, and in SQL when they are
// deleted. A delete must subtract exactly what storing the entry added. So the table kinds, in SQL, and Value and TargetType, in Go, are
// side by side, and a test checks that the engine counts as Go does. cmd/loadgen/oracle has a second copy of the rule, written
// independently, to check this one.

// Kind is a kind of by_entity. The order of the kinds is that of their names, by which by_entity is sorted.
type Kind uint8

// The kinds. An entry without a value of a kind is not counted under it.
const (
	KindWatermark Kind = iota // no entity: rows with this kind carry a rollup watermark
	KindActor                 // by actor id
	KindDevice
	KindName   // by account name, else by actor id
	KindTarget // by the type of a target; an entry counts once for each type that it has
	endOfKinds
)

// kinds has the name of each kind, and an expression over the columns of activity for an entry's value of the kind.
var kinds = [endOfKinds]struct{ name, sql string }{
	KindActor:  {"actor", "actor_id"},
	KindDevice: {"device", "device"},
	KindName:   {"name", "if(actor_name != '', actor_name, actor_id)"},
	KindTarget: {"target", `arrayMap(t -> splitByChar('\0', t)[1], targets)`},
}

// Value does in Go what kinds does in SQL: it returns e's value of the kind, empty if it has none. For KindTarget, use TargetType for each
// target. It is called for each entry that is stored, and is short enough to be inlined: returning a list of values took 10 ns more per
// entry.
func (k Kind) Value(e *activitypb.Entry) string {
	switch k {
	case KindActor:
		return e.ActorId
	case KindDevice:
		return e.Device
	case KindName:
		if e.ActorName != "" {
			return e.ActorName
		}
		return e.ActorId
	}
	return ""
}

// TargetType returns the type of targets[i], which is type, NUL, id. An entry counts for it under KindTarget unless a target before
// has the same type. It is called for each target that is stored.
func TargetType(targets []string, i int) (name string, counts bool) {
	t := targets[i]
	name = t[:max(0, strings.IndexByte(t, 0))]
	return name, name != "" && !hasType(targets[:i], name)
}

func hasType(targets []string, name string) bool {
	for _, t := range targets {
		if len(t) > len(name) && t[:len(name)] == name && t[len(name)] == 0 {
			return true
		}
	}
	return false
}

// String returns the kind as the column by_entity.kind has it.
func (k Kind) String() string { return kinds[k].name }

// SQL returns an expression over the columns of activity for an entry's value of the kind: a String that is empty if the entry has none.
// For KindTarget it is an Array(String), which may have a type several times.
func (k Kind) SQL() string { return kinds[k].sql }

const (
	hourMillis = 3600 * 1000
	dayMillis  = 24 * hourMillis
)

// Hour returns the hour in which an entry with the timestamp (Unix ms) is counted, in Unix s.
func Hour(timestamp int64) uint32 { return uint32(timestamp / hourMillis * 3600) }

// Day returns the day in which an entry received at the moment (Unix ms) is counted, in days since 1970.
func Day(receivedAt int64) uint16 { return uint16(receivedAt / dayMillis) }

// Rollup is a table of counts.
type Rollup struct {
	Table   string
	columns string // of the key, as the SELECT makes them
	from    string
	key     string
}

// Rollups lists both tables, in the order in which they are written.
var Rollups = [...]Rollup{ByEntity, ByKind}

// The rollups.
var (
	// ByEntity counts entries by tenant, kind, entity, hour and day of receipt.
	ByEntity = Rollup{
		Table:   "by_entity",
		columns: "tenant, e.1 AS kind, e.2 AS entity, toStartOfHour(timestamp) AS hour, toDate(received_at) AS received",
		from:    "activity ARRAY JOIN " + entitiesSQL() + " AS e",
		key:     "tenant, kind, entity, hour, received",
	}
	// ByKind counts entries by tenant, hour, platform, action, day of receipt and Kafka partition.
	ByKind = Rollup{
		Table:   "by_kind",
		columns: "tenant, toStartOfHour(timestamp) AS hour, platform, action, toDate(received_at) AS received, kpart",
		from:    "activity",
		key:     "tenant, hour, platform, action, received, kpart",
	}
)

// entitiesSQL is Value and TargetType in SQL: an array of (kind, entity).
func entitiesSQL() string {
	var single []string
	for k := KindActor; k < KindTarget; k++ {
		single = append(single, "('"+k.String()+"', "+k.SQL()+")")
	}
	types := "arrayMap(t -> ('" + KindTarget.String() + "', t), arrayDistinct(" + KindTarget.SQL() + "))"
	return "arrayFilter(x -> x.2 != '', arrayConcat([" + strings.Join(single, ", ") + "], " + types + "))"
}

// Select counts the entries of activity that meet the condition: the columns of r's key and n, a row for each key.
func (r Rollup) Select(where string) string { return r.count("", where) }

// Add counts the entries of activity that meet the condition into r. It sets no watermark.
func (r Rollup) Add(where string) string { return r.insert("", where) }

// Subtract subtracts the entries of activity that meet the condition from r. It changes no watermark.
func (r Rollup) Subtract(where string) string { return r.insert("-", where) }

func (r Rollup) count(sign, where string) string {
	return "SELECT " + r.columns + ", " + sign + "toInt64(count()) AS n FROM " + r.from + " WHERE " + where + " GROUP BY " + r.key
}

// insert leaves koff_to at 0, the default, so it never raises a watermark.
func (r Rollup) insert(sign, where string) string {
	return "INSERT INTO " + r.Table + " (" + r.key + ", n) " + r.count(sign, where)
}

// Key returns the columns that r counts by.
func (r Rollup) Key() string { return r.key }

// IsWatermark is the condition of the rows of by_entity that carry a rollup watermark: entity is a Kafka partition, and koff_to
// the offset up to which that partition's entries are stored and counted in by_entity. It is inserted last of a batch's rows in
// this table. Its other columns have no meaning.
const IsWatermark = "tenant = '' AND kind = ''"
