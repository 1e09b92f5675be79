package things

import (
	"testing"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/schema"
)

func TestExplorerLink(t *testing.T) {
	target := func(all ...schema.TargetMatch) (m schema.Match) {
		for _, t := range all {
			m.Want(t)
		}
		return m
	}
	for _, c := range []struct {
		name, tenant, want string
		match              schema.Match
		wider              bool
	}{
		{name: "nothing", want: "/?last=all"},
		{name: "an action and a window", match: schema.Match{Action: "a&b =\"c\"", Start: 1, End: 1_707_725_000_123}, want: "/?action=a%26b+%3D%22c%22&from=1970-01-01T00%3A00%3A00.001Z&to=2024-02-12T08%3A03%3A20.123Z"},
		{name: "an open window", match: schema.Match{End: 1000}, want: "/?to=1970-01-01T00%3A00%3A01.000Z"},
		{name: "a user", match: schema.Match{ActorID: "42", NotActorKind: business}, want: "/?last=all&userId=42", wider: true},
		{name: "a task", match: target(schema.TargetMatch{Type: typeTask, ID: "t-1"}), want: "/?last=all&targetId=t-1&targetType=TASK"},
		{name: "a thing or device", match: target(schema.TargetMatch{Type: schema.DeviceTarget, ID: "d", Else: typeThing}), want: "/?last=all&targetId=d", wider: true},
		{name: "two targets", match: target(schema.TargetMatch{Type: typeTask, ID: "1"}, schema.TargetMatch{Type: typeUser, ID: "2"}), want: "/?last=all&targetId=1&targetType=TASK", wider: true},
		{name: "a tenant", tenant: "acme", want: "/?last=all&tenant=acme"},
		{name: "outside of all times", match: schema.Match{ReceivedBefore: 1}, want: "/?last=all", wider: true},
	} {
		if got, wider := explorerLink(query.Filter{Match: c.match}, c.tenant); got != c.want || wider != c.wider {
			t.Errorf("%s: got %s %v, want %s %v", c.name, got, wider, c.want, c.wider)
		}
	}
}
