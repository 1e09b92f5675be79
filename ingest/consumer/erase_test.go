package consumer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
	"github.com/activitylog/activitylog/schema/words"
)

// means reports whether m selects e, received at a time (Unix ms). It does without SQL what the statements must do.
func means(m schema.Match, e schema.Entry, received int64) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	name := e.ActorName
	if name == "" {
		name = e.ActorID
	}
	for _, t := range m.Targets {
		ok := t == schema.TargetMatch{}
		for _, has := range append([]schema.Target{{Type: schema.DeviceTarget, ID: e.Device}}, e.Targets...) {
			ok = ok || has.ID != "" && is(t.ID, has.ID) && (is(t.Type, has.Type) || t.Else != "" && t.Else == has.Type)
		}
		if !ok {
			return false
		}
	}
	return is(m.Platform, e.Platform) && is(m.Device, e.Device) && is(m.Action, e.Action) && is(m.ActorID, e.ActorID) &&
		is(m.ActorKind, e.ActorKind) && (m.NotActorKind == "" || m.NotActorKind != e.ActorKind) && is(m.Username, name) &&
		is(m.RequestID, e.RequestID) && found(m.Search, e) && e.Timestamp >= m.Start && (m.End == 0 || e.Timestamp <= m.End) &&
		(m.ReceivedBefore == 0 || received < m.ReceivedBefore)
}

func found(search string, e schema.Entry) bool {
	return search == "" || search == e.RequestID || words.Parse(search).Matches(e.Detail, e.Details)
}

// matches returns conditions that overlap in many ways on the entries that entry makes.
func matches(now int64) []schema.Match {
	at := entry(7 * schema.IDBlock).Timestamp
	return []schema.Match{
		{Device: "SN-3"},
		{Action: "action-1", Platform: "ios"},
		{Action: "action-2"},
		{ActorID: "u1", Device: "SN-2"},
		{Username: "name 4"},
		{Username: "u3"}, // an id, where there is no name
		{ActorKind: "none"},
		{NotActorKind: "none", Device: "SN-5"},
		{Targets: [5]schema.TargetMatch{{Type: "room"}}},
		{Targets: [5]schema.TargetMatch{{Type: "door", ID: "2"}, {Type: "door"}}},
		{Targets: [5]schema.TargetMatch{{Type: schema.DeviceTarget, ID: "SN-6"}}},
		{Targets: [5]schema.TargetMatch{{ID: "x"}}},
		{Targets: [5]schema.TargetMatch{{Type: schema.DeviceTarget, ID: "1", Else: "door"}}, Platform: "ios"},
		{Start: at, End: at + 30*137_000},
		{Start: at + 20*137_000, End: at + 50*137_000, Platform: "android"},
		{Search: fmt.Sprint("Detail ", 7*schema.IDBlock+10)},
		{ReceivedBefore: now - dayMillis},
	}
}

func TestEraseByFilterWhereverItIsCutOff(t *testing.T) {
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			b := newBed(t, 1)
			b.send(0, "default", 60)
			b.send(0, "other", 20)
			b.consumer(failing(point, 3))
			b.drain()
			taken := b.eraseMatch(0, "default", schema.Match{Device: "SN-3"})
			b.eraseMatch(0, "default", schema.Match{Action: "action-1"}) // some of them are deleted already
			b.send(0, "default", 30)
			b.eraseMatch(0, "default", schema.Match{Device: "SN-3", Platform: "ios"})
			b.eraseMatch(0, "other", schema.Match{Username: "u3"})
			b.drain()
			b.check()
			if got, err := numbers(t.Context(), b.conn, 1, "SELECT toInt64(sum(entries)) FROM erased WHERE command = (SELECT command FROM erased ORDER BY at LIMIT 1)"); err != nil || got[0] != int64(taken) {
				t.Errorf("the first command is noted with %v entries, %v, want %d", got, err, taken)
			}
		})
	}
}

// TestEntriesBehindADeleteStay writes deletes between the entries of one batch, crashes at each point, and then reads the log again in
// other batches.
func TestEntriesBehindADeleteStay(t *testing.T) {
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			b := newBed(t, 1)
			ids, _ := b.send(0, "default", 10)
			b.erase(0, "default", ids[3])
			again, value := b.send(0, "default", 10)
			b.erase(0, "default")
			b.produce(0, value) // entries that the delete before it deleted
			ids, _ = b.send(0, "default", 10)
			b.erase(0, "default", ids[0], again[0])
			b.send(0, "other", 5)
			c, stop := b.consumer(failing(point, 1))
			b.drain()
			b.check()
			stop()
			var batches dto.Metric
			if _ = c.metrics.rows.Write(&batches); batches.GetHistogram().GetSampleCount() != 1 {
				t.Errorf("stored in %d batches, want 1", batches.GetHistogram().GetSampleCount())
			}
			b.forget()
			b.consumer(func(c *Consumer) { c.cfg.MaxRows = 12 })
			b.drain()
			b.check()
		})
	}
}

// TestEveryConditionOfAMatch deletes by one condition after the other, with values that have a meaning in SQL or in a URL.
func TestEveryConditionOfAMatch(t *testing.T) {
	const odd = "it's \\ \t \r\n \"odd\" {x:String} 100%&a=b; é"
	b := newBed(t, 1)
	for i, m := range slices.Concat(matches(time.Now().UnixMilli()), []schema.Match{
		{Platform: odd},
		{Device: odd},
		{Action: odd},
		{ActorID: odd},
		{ActorKind: odd},
		{Username: odd},
		{RequestID: odd},
		{Search: odd},
		{Search: "it's"},
		{Targets: [5]schema.TargetMatch{{Type: odd, ID: odd}}},
		{Targets: [5]schema.TargetMatch{{Type: schema.DeviceTarget}}},
	}) {
		b.send(0, "default", 21)
		b.sendEntry(0, "default", schema.Entry{
			Timestamp: 1_760_000_000_000, Action: odd, Platform: odd, Device: odd, ActorID: odd, ActorKind: odd, RequestID: odd, Detail: odd,
			Targets: []schema.Target{{Type: odd, ID: odd}},
		})
		if taken := b.eraseMatch(0, "default", m); i >= len(matches(0)) && taken == 0 {
			t.Errorf("%+v takes nothing, so that it shows nothing", m)
		}
	}
	b.consumer()
	b.drain()
	b.check()
	if got := b.dead(); len(got) != 0 {
		t.Errorf("got dead letters %q, want none", got)
	}
}

// TestACommandThatIsNotUnderstoodTakesNothing writes commands with fields that this version cannot read.
func TestACommandThatIsNotUnderstoodTakesNothing(t *testing.T) {
	more := protowire.AppendString(protowire.AppendTag(nil, 99, protowire.BytesType), "only this")
	commands := map[string]func(*activitypb.Command){
		"a newer field":             func(c *activitypb.Command) { c.ProtoReflect().SetUnknown(more) },
		"a newer field of a ref":    func(c *activitypb.Command) { c.Refs[0].ProtoReflect().SetUnknown(more) },
		"a newer condition":         func(c *activitypb.Command) { c.Refs, c.Match = nil, match(more) },
		"refs and a match":          func(c *activitypb.Command) { c.Match = match(nil) },
		"no condition":              func(c *activitypb.Command) { c.Refs, c.Match = nil, &activitypb.Match{} },
		"a condition with NUL":      func(c *activitypb.Command) { c.Refs, c.Match = nil, &activitypb.Match{Device: "a\x00"} },
		"a condition without UTF-8": func(c *activitypb.Command) { c.Refs, c.Match = nil, &activitypb.Match{Device: "\xff"} },
		"too many targets": func(c *activitypb.Command) {
			c.Refs, c.Match = nil, &activitypb.Match{Targets: slices.Repeat([]string{"door\x001"}, 6)}
		},
		"an empty target": func(c *activitypb.Command) {
			c.Refs, c.Match = nil, &activitypb.Match{Device: "SN-1", Targets: []string{""}}
		},
		"a target without an id": func(c *activitypb.Command) {
			c.Refs, c.Match = nil, &activitypb.Match{Targets: []string{"door"}}
		},
		"an end before the start":   func(c *activitypb.Command) { c.Refs, c.Match = nil, &activitypb.Match{Start: 2, End: 1} },
		"a short id":                func(c *activitypb.Command) { c.Id = c.Id[:15] },
		"no tenant":                 func(c *activitypb.Command) { c.Tenant = "" },
		"a newer field, everything": func(c *activitypb.Command) { c.Refs = nil; c.ProtoReflect().SetUnknown(more) },
		"more words than are looked": func(c *activitypb.Command) {
			var search strings.Builder
			for i := range 40 { // repeated words count once
				fmt.Fprintf(&search, "w%d ", i)
			}
			c.Refs, c.Match = nil, &activitypb.Match{Search: search.String()}
		},
	}
	b := newBed(t, 1)
	ids, _ := b.send(0, "default", 20)
	for name, change := range commands {
		c := &activitypb.Command{
			Id: fmt.Appendf(nil, "%016d", b.nextID()), Tenant: "default", Before: b.end(0),
			Refs: []*activitypb.Ref{{Id: ids[0], Timestamp: entry(int(ids[0])).Timestamp}},
		}
		change(c)
		if _, err := commandOf(c, 1); !errors.Is(err, schema.ErrRecord) {
			t.Errorf("%s: got %v, want %v", name, err, schema.ErrRecord)
		}
		b.produce(0, packedCommand(t, c))
	}
	b.consumer(failing(afterEntities, 1))
	b.drain()
	b.check()
	if got := b.dead(); len(got) != len(commands) {
		t.Errorf("got dead letters %q, want %d", got, len(commands))
	}
}

func match(unknown []byte) *activitypb.Match {
	m := &activitypb.Match{Device: "SN-1"}
	m.ProtoReflect().SetUnknown(unknown)
	return m
}

// FuzzCommand: a command must be understood completely or not at all. What was read must be the same when it is written again.
func FuzzCommand(f *testing.F) {
	for _, c := range []*activitypb.Command{
		{Id: make([]byte, 16), Tenant: "a"},
		{Id: make([]byte, 16), Tenant: "a", Match: schema.Match{Device: "d", Search: "x y", ReceivedBefore: 1}.Proto()},
		{Id: make([]byte, 16), Tenant: "a", Refs: []*activitypb.Ref{{Id: 1, Timestamp: 2}}, Before: 3},
	} {
		value, err := schema.AppendCommand(nil, c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var m activitypb.ActivityBatch
		if schema.DecodeRecord(value, &m) != nil || m.Command == nil {
			return
		}
		c, err := commandOf(m.Command, 5)
		switch {
		case err != nil && !errors.Is(err, schema.ErrRecord):
			t.Fatalf("%v is no %v", err, schema.ErrRecord)
		case err != nil:
			return
		case (c.Match != nil) == (c.match == schema.Match{}):
			t.Fatalf("%+v became %+v", c.Match, c.match)
		}
		if c.Match == nil {
			return
		}
		if again, err := schema.MatchOf(c.match.Proto()); err != nil || again != c.match {
			t.Fatalf("%+v became %+v, %v", c.match, again, err)
		}
		p := &partition{source: &schemakafka.Log{}}
		if cond := p.condition(c, nil); strings.Count(cond.text, " AND ") < 2 {
			t.Fatalf("%+v became %q, which has no condition of its own", c.match, cond.text)
		}
	})
}
