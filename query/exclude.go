package query

import (
	"fmt"
	"strings"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/schema"
)

// MaxExclusions is the most values that one filter can exclude.
const MaxExclusions = 20

// Exclude adds a value that entries must not have. It returns false if f excludes MaxExclusions values already.
func (f *Filter) Exclude(x Exclusion) bool {
	for i := range f.Not {
		if f.Not[i] == (Exclusion{}) {
			f.Not[i] = x
			return true
		}
	}
	return false
}

// Exclusion is a value that entries must not have. An entry without a value in the dimension is kept. ByTargetType excludes
// entries with a target of the type; a device counts as a target.
type Exclusion struct {
	By    Dimension
	Value string
}

// excluding has the conditions of the dimensions, with a %s for the value.
var excluding = map[Dimension]struct{ name, cond string }{
	ByAction:     {"action", "action != %s"},
	ByPlatform:   {"platform", "platform != %s"},
	ByDevice:     {"device", "device != %s"},
	ByActor:      {"actor", "actor_id != %s"},
	ByUsername:   {"username", "NOT (actor_name = %[1]s OR (actor_name = '' AND actor_id = %[1]s))"},
	ByTargetType: {"target type", "NOT arrayExists(t -> startsWith(t, concat(%s, '\\0')), targets)"},
}

func (x Exclusion) validate() error {
	if x == (Exclusion{}) {
		return nil
	}
	by, ok := excluding[x.By]
	if !ok {
		return &schema.FieldError{Field: "not", Code: "ENUM", Issue: "is not a dimension"}
	}
	if x.Value == "" {
		return schema.Missing("not " + by.name)
	}
	return schema.CheckText("not "+by.name, x.Value, schema.MaxNameBytes)
}

// inKind reports whether the rollup by kind has the dimension of x.
func (x Exclusion) inKind() bool { return x.By == ByAction || x.By == ByPlatform }

// exclude adds the conditions of all exclusions, or of those that the rollup by kind has.
func exclude(c *db.Clauses, all [MaxExclusions]Exclusion, kindOnly bool) {
	for i, x := range all {
		if x == (Exclusion{}) || kindOnly && !x.inKind() {
			continue
		}
		name := fmt.Sprintf("not_%s_%d", strings.ReplaceAll(excluding[x.By].name, " ", "_"), i)
		cond := fmt.Sprintf(excluding[x.By].cond, "{"+name+":String}")
		if x.By == ByTargetType && x.Value == schema.DeviceTarget {
			cond = "device = '' AND " + cond
		}
		c.Add(cond, name, x.Value)
	}
}

// exactIn reports whether a rollup by kind, if byKind, can leave out exactly what the filter excludes.
func (f Filter) exactIn(byKind bool) bool {
	for _, x := range f.Not {
		if x != (Exclusion{}) && (!byKind || !x.inKind()) {
			return false
		}
	}
	return true
}

// excludes reports whether f excludes anything.
func (f Filter) excludes() bool { return f.Not != [MaxExclusions]Exclusion{} }

// excluded returns the part of Filter.canonical that distinguishes exclusions.
func (f Filter) excluded() string {
	var b strings.Builder
	for _, x := range f.Not {
		if x == (Exclusion{}) {
			break
		}
		fmt.Fprintf(&b, "!%d:%d:%s", x.By, len(x.Value), x.Value)
	}
	return b.String()
}
