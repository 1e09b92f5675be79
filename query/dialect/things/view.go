package things

import (
	"encoding/hex"
	"slices"

	"github.com/activitylog/activitylog/schema"
)

// Answers consist of these types, which each format writes in its own way.
type (
	object []member // in the order of the API's document
	member struct {
		name  string // camelCase
		value any    // string, int64, uint64, object, list, choice
	}
	list struct {
		of    string // name of an item, in PascalCase
		items []any
	}
	choice struct { // a map with one key
		code int64
		name string
	}
)

// view is an entry in this dialect: an ActionLogView.
type view struct {
	id           string // 32 hex digits
	timestamp    int64  // Unix ms
	initiator    string
	action       choice
	thing        string
	user         string
	organization string
	task         string
	taskList     string
	information  string
}

func viewOf(e *schema.Entry, codes map[string]int64) view {
	id, organization := schema.UUID(e.ID), schema.Organization(e.Tenant)
	v := view{
		id: hex.EncodeToString(id[:]), timestamp: e.Timestamp, initiator: firstOf(e.Extra.ActorLabel, e.ActorName, e.ActorID),
		action: choice{codes[e.Action], e.Action}, organization: hex.EncodeToString(organization[:]), information: e.Detail,
		thing: targetOf(e, typeThing, schema.DeviceTarget), user: targetOf(e, typeUser, typeBusinessUser),
		task: targetOf(e, typeTask), taskList: targetOf(e, typeTaskList),
	}
	if v.thing == "" {
		v.thing = e.Device
	}
	return v
}

// targetOf returns the name of e's first target with one of the types, or its id if it has no name; empty if there is none.
func targetOf(e *schema.Entry, types ...string) string {
	for _, t := range e.Targets {
		if slices.Contains(types, t.Type) {
			return firstOf(t.Name, t.ID)
		}
	}
	return ""
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// members returns all members of v. An empty text means null.
func (v *view) members() object {
	return object{
		{"id", v.id},
		{"timestamp", v.timestamp},
		{"actionInitiator", v.initiator},
		{"action", v.action},
		{"actionTargetThing", v.thing},
		{"actionTargetUser", v.user},
		{"organizationId", v.organization},
		{"actionTargetTask", v.task},
		{"actionTargetTaskList", v.taskList},
		{"information", v.information},
	}
}

// shown is o without members that are null.
func (o object) shown() object {
	out := make(object, 0, len(o))
	for _, m := range o {
		if m.value != "" {
			out = append(out, m)
		}
	}
	return out
}

func (p *page) pages() uint64 {
	items := uint64(p.asked.items)
	return (p.total + items - 1) / items
}

func (p *page) object() object {
	all := list{of: "ActionLogView", items: make([]any, len(p.logs))}
	for i := range p.logs {
		all.items[i] = p.logs[i].members().shown()
	}
	return object{{"data", all}, {"totalAvailableItems", p.total}, {"totalPages", p.pages()}}
}
