package things

import (
	"net/url"
	"time"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/schema"
)

// explorers are the roles that can use the explorer: those that read the audit dialect.
var explorers = []string{schema.RoleAdmin, schema.RoleAnalyst}

// explorerLink is the explorer's address with the filter f. It shows more entries where f has a condition that the explorer lacks: the kind of
// the actor, several targets, or one of two types of a target.
func explorerLink(f query.Filter, tenant string) (to string, wider bool) {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	wider = f.ActorKind != "" || f.NotActorKind != "" || f.ReceivedBefore != 0
	set("action", f.Action)
	set("userId", f.ActorID)
	for i, t := range f.Targets {
		switch {
		case t == schema.TargetMatch{}:
		case i > 0:
			wider = true
		case t.Else != "":
			wider = true
			set("targetId", t.ID)
		default:
			set("targetType", t.Type)
			set("targetId", t.ID)
		}
	}
	set("from", isoOf(f.Start))
	set("to", isoOf(f.End))
	if f.Start == 0 && f.End == 0 {
		v.Set("last", "all")
	}
	set("tenant", tenant)
	return "/?" + v.Encode(), wider
}

// isoOf is a time, Unix ms, in the explorer's address; empty for no bound.
func isoOf(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}
