package query

import (
	"errors"
	"testing"

	"github.com/activitylog/activitylog/schema"
)

func FuzzFilter(f *testing.F) {
	f.Add("a", "tiktok", "it's", "two words", int64(1), int64(2))
	f.Add("a", "\x00", "\xff", "", int64(-1), int64(1<<62))
	f.Fuzz(func(t *testing.T, tenant, platform, device, search string, start, end int64) {
		a := Filter{tenant: tenant, Match: schema.Match{Platform: platform, Device: device, Search: search, Start: start, End: end}}
		if a.Validate() != nil {
			return
		}
		a.since.Day = "2026-01-01"
		checkStatement(t, countOf(a), platform, device)
		checkStatement(t, hoursOf(a, NewestFirst), platform, device)
		b := a
		b.Platform, b.Device = device, platform
		if (a.canonical() == b.canonical()) != (a == b) {
			t.Errorf("filters %v and %v: canonical %q and %q", a, b, a.canonical(), b.canonical())
		}
		a.Not, b.Not = [MaxExclusions]Exclusion{{ByPlatform, platform}, {ByAction, device}}, [MaxExclusions]Exclusion{{ByPlatform, device}, {ByAction, platform}}
		b.Match = a.Match
		if (a.canonical() == b.canonical()) != (platform == device) {
			t.Errorf("exclusions %v and %v: canonical %q and %q", a.Not, b.Not, a.canonical(), b.canonical())
		}
	})
}

func TestListingFaults(t *testing.T) {
	for field, l := range map[string]Listing{
		"limit":     {Limit: 1001},
		"offset":    {Limit: 1, Offset: -1},
		"platform":  {Limit: 1, Filter: Filter{Match: schema.Match{Platform: "\x00"}}},
		"device":    {Limit: 1, Filter: Filter{Match: schema.Match{Device: "\xff"}}},
		"start":     {Limit: 1, Filter: Filter{Match: schema.Match{Start: 5, End: 4}}},
		"end":       {Limit: 1, Filter: Filter{Match: schema.Match{End: -4}}},
		"target id": {Limit: 1, Filter: Filter{Match: schema.Match{Targets: [schema.MaxTargetsMatch]schema.TargetMatch{{ID: "\xff"}}}}},
		"search":    {Limit: 1, Filter: Filter{Match: schema.Match{Search: "a b c d e f g h i j k l m n o p q r s t u v w x y z 1 2 3 4 5 6 7"}}},
	} {
		l.Filter.tenant = "a"
		var f *schema.FieldError
		if err := l.validate(); !errors.As(err, &f) || f.Field != field {
			t.Errorf("%+v: got %v, want a fault of %s", l, err, field)
		}
	}
	snapshot := Listing{Filter: Filter{tenant: "a"}, Limit: 1, Offset: 1, Snapshot: true}
	if err := snapshot.validate(); !errors.Is(err, schema.ErrInvalid) {
		t.Errorf("offset and snapshot: got %v, want invalid", err)
	}
	both := Listing{Filter: Filter{tenant: "a"}, Limit: 1, Offset: 1, Cursor: "x"}
	if err := both.validate(); !errors.Is(err, schema.ErrInvalid) {
		t.Errorf("offset and cursor: got %v, want invalid", err)
	}
}
