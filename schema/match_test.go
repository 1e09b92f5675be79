package schema

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/activitylog/activitylog/schema/activitypb"
)

func TestMatchSurvivesItsCommand(t *testing.T) {
	text := rapid.StringMatching(`[a-zé ]{0,5}`)
	rapid.Check(t, func(t *rapid.T) {
		m := Match{
			Platform: text.Draw(t, "platform"), Device: text.Draw(t, "device"), Action: text.Draw(t, "action"),
			ActorID: text.Draw(t, "actor"), ActorKind: text.Draw(t, "kind"), NotActorKind: text.Draw(t, "not kind"),
			Username: text.Draw(t, "name"), RequestID: text.Draw(t, "request"), Search: text.Draw(t, "search"),
			Start: rapid.Int64Range(0, 5).Draw(t, "start"), End: rapid.Int64Range(5, 9).Draw(t, "end"),
			ReceivedBefore: rapid.Int64Range(0, 9).Draw(t, "received"),
		}
		for range rapid.IntRange(0, MaxTargetsMatch).Draw(t, "targets") {
			target := TargetMatch{Type: "t" + text.Draw(t, "type"), ID: text.Draw(t, "id")}
			if target.ID != "" {
				target.Else = text.Draw(t, "other type")
			}
			m.Want(target)
		}
		wire, err := m.Proto().MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		var p activitypb.Match
		if err := p.UnmarshalVT(wire); err != nil {
			t.Fatal(err)
		}
		if got, err := MatchOf(&p); err != nil || got != m {
			t.Errorf("got %+v, %v, want %+v", got, err, m)
		}
	})
}

func TestMatchOfRefusesWhatItDoesNotKnow(t *testing.T) {
	var newer activitypb.Match
	if err := newer.UnmarshalVT([]byte{0xa2, 0x06, 1, 'x'}); err != nil { // field 100
		t.Fatal(err)
	}
	six := &activitypb.Match{Targets: []string{"a\x00", "b\x00", "c\x00", "d\x00", "e\x00", "f\x00"}}
	for name, p := range map[string]*activitypb.Match{"a newer condition": &newer, "six targets": six, "a faulty text": {Platform: "\xff"}} {
		if _, err := MatchOf(p); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: got %v, want %v", name, err, ErrRecord)
		}
	}
}

func TestWantHasBounds(t *testing.T) {
	var m Match
	for i := range MaxTargetsMatch + 1 {
		if got, want := m.Want(TargetMatch{Type: "t", ID: "x"}), i < MaxTargetsMatch; got != want {
			t.Errorf("target %d: got %v, want %v", i, got, want)
		}
	}
}
