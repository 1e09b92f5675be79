package clickhouse

import (
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/schema"
)

// Clauses collects the conditions of a WHERE and the server parameters that they name. Values are only sent as parameters. The text
// consists of constants.
type Clauses struct {
	Conds []string
	Args  []any // clickhouse.Named
}

// Add adds a condition and, unless name is empty, the parameter that it names.
func (c *Clauses) Add(cond, name string, value any) {
	c.Conds = append(c.Conds, cond)
	if name != "" {
		c.Args = append(c.Args, clickhouse.Named(name, value))
	}
}

// AddIf is Add unless value is empty.
func (c *Clauses) AddIf(cond, name, value string) {
	if value != "" {
		c.Add(cond, name, value)
	}
}

// AddTime adds a condition on a DateTime64, with a %s for the time, unless ms (Unix ms) is 0.
func (c *Clauses) AddTime(cond, name string, ms int64) {
	if ms != 0 {
		c.Add(fmt.Sprintf(cond, "fromUnixTimestamp64Milli({"+name+":Int64}, 'UTC')"), name, ms)
	}
}

// Where returns the WHERE of all conditions.
func (c *Clauses) Where() string { return " WHERE " + strings.Join(c.Conds, " AND ") }

// Match adds the conditions of m on the table activity. Only this function defines what m selects, so readers and deletes with the same m
// select the same entries.
func (c *Clauses) Match(m schema.Match) {
	c.AddIf("platform = {platform:String}", "platform", m.Platform)
	c.AddIf("action = {action:String}", "action", m.Action)
	c.AddIf("device = {device:String}", "device", m.Device)
	c.AddIf("actor_id = {actor:String}", "actor", m.ActorID)
	c.AddIf("actor_kind = {actor_kind:String}", "actor_kind", m.ActorKind)
	c.AddIf("actor_kind != {not_actor_kind:String}", "not_actor_kind", m.NotActorKind)
	c.AddIf("(actor_name = {name:String} OR (actor_name = '' AND actor_id = {name:String}))", "name", m.Username)
	for i, t := range m.Targets {
		c.target(t, fmt.Sprintf("target%d", i))
	}
	c.AddIf("request_id = {request:String}", "request", m.RequestID)
	c.search(m.Search)
	c.AddTime("timestamp >= %s", "start", m.Start)
	c.AddTime("timestamp <= %s", "end", m.End)
	c.AddTime("received_at < %s", "received_before", m.ReceivedBefore)
}

func (c *Clauses) target(t schema.TargetMatch, name string) {
	device := t.Type == schema.DeviceTarget
	switch {
	case t.Else != "":
		c.either(t, name)
	case t == schema.TargetMatch{}:
	case t.Type == "":
		c.Args = append(c.Args, clickhouse.Named(name+"_device", t.ID))
		c.Add("(device = {"+name+"_device:String} OR arrayExists(t -> endsWith(t, {"+name+":String}), targets))", name, "\x00"+t.ID)
	case t.ID == "" && device:
		c.Add("(device != '' OR arrayExists(t -> startsWith(t, {"+name+":String}), targets))", name, t.Type+"\x00")
	case t.ID == "":
		c.Add("arrayExists(t -> startsWith(t, {"+name+":String}), targets)", name, t.Type+"\x00")
	case device:
		c.Args = append(c.Args, clickhouse.Named(name+"_device", t.ID))
		c.Add("(device = {"+name+"_device:String} OR has(targets, {"+name+":String}))", name, t.Type+"\x00"+t.ID)
	default:
		c.Add("has(targets, {"+name+":String})", name, t.Type+"\x00"+t.ID)
	}
}

// either adds the condition that an entry has a target of one of two types. Each side can use its index.
func (c *Clauses) either(t schema.TargetMatch, name string) {
	cond := "has(targets, {" + name + ":String}) OR has(targets, {" + name + "_else:String})"
	c.Args = append(c.Args, clickhouse.Named(name, t.Type+"\x00"+t.ID), clickhouse.Named(name+"_else", t.Else+"\x00"+t.ID))
	if t.Type == schema.DeviceTarget || t.Else == schema.DeviceTarget {
		cond = "device = {" + name + "_device:String} OR " + cond
		c.Args = append(c.Args, clickhouse.Named(name+"_device", t.ID))
	}
	c.Add("("+cond+")", "", nil)
}
