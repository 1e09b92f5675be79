package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/activitylog/activitylog/schema/activitypb"
	"github.com/activitylog/activitylog/schema/words"
)

// MaxTargetsMatch is the most targets that one Match can require.
const MaxTargetsMatch = 5

// DeviceTarget is the target type that also matches the device of an entry.
const DeviceTarget = "DEVICE"

// Match selects entries of one tenant. Its conditions are joined by AND; an empty condition matches everything. Two values are equal
// if they select the same entries.
type Match struct {
	Platform, Device, Action string
	ActorID                  string
	ActorKind                string // this kind
	NotActorKind             string // any kind but this one
	Username                 string // the actor's name, or its id where it has no name
	Targets                  [MaxTargetsMatch]TargetMatch
	RequestID                string
	Start, End               int64  // Unix ms, both inclusive; 0 is no bound
	Search                   string // the exact request id, or words of detail and details: see package words
	ReceivedBefore           int64  // Unix ms, exclusive; 0 is no bound
}

// TargetMatch is a target that an entry must have. Type or ID may be empty, which matches any. The type DeviceTarget, and an empty
// type, also match the entry's device. If there is an ID, a target with that ID and the type Else matches as well.
type TargetMatch struct {
	Type, ID, Else string
}

// Want adds a target that entries must have. It returns false if m has MaxTargetsMatch targets already.
func (m *Match) Want(t TargetMatch) bool {
	for i := range m.Targets {
		if m.Targets[i] == (TargetMatch{}) {
			m.Targets[i] = t
			return true
		}
	}
	return false
}

// Validate returns a *FieldError for the first condition that is wrong, under its name in this package.
func (m Match) Validate() error {
	for _, c := range [...]struct{ name, value string }{
		{"platform", m.Platform},
		{"device", m.Device},
		{"action", m.Action},
		{"actor id", m.ActorID},
		{"actor kind", m.ActorKind},
		{"actor kind", m.NotActorKind},
		{"username", m.Username},
		{"request id", m.RequestID},
		{"search", m.Search},
	} {
		if err := CheckText(c.name, c.value, MaxNameBytes); err != nil {
			return err
		}
	}
	for _, t := range m.Targets {
		if err := t.validate(); err != nil {
			return err
		}
	}
	switch {
	case m.Start < 0 || m.Start > MaxTimestamp:
		return CheckTimestamp("start", m.Start)
	case m.End < 0 || m.End > MaxTimestamp:
		return CheckTimestamp("end", m.End)
	case m.End != 0 && m.Start > m.End:
		return &FieldError{Field: "start", Code: "RANGE", Issue: "must not be after the end"}
	case words.Parse(m.Search).Words > words.Max:
		return &FieldError{Field: "search", Code: "TOO_MANY", Issue: fmt.Sprintf("at most %d words", words.Max)}
	}
	return nil
}

func (t TargetMatch) validate() error {
	for _, name := range [...]string{t.Type, t.Else} {
		if err := CheckText("target type", name, MaxNameBytes); err != nil {
			return err
		}
	}
	if t.Else != "" && (t.Type == "" || t.ID == "") {
		return Missing("target id")
	}
	return CheckText("target id", t.ID, MaxNameBytes)
}

// wire returns t as text for Match.Proto. A version that does not know Else refuses such a target, because its id has a NUL.
func (t TargetMatch) wire() string {
	w := t.Type + "\x00" + t.ID
	if t.Else != "" {
		w += "\x00" + t.Else
	}
	return w
}

// Proto returns m in the form of a command.
func (m Match) Proto() *activitypb.Match {
	p := &activitypb.Match{
		Platform: m.Platform, Device: m.Device, Action: m.Action, ActorId: m.ActorID, ActorKind: m.ActorKind,
		NotActorKind: m.NotActorKind, Username: m.Username, RequestId: m.RequestID, Start: m.Start, End: m.End,
		Search: m.Search, ReceivedBefore: m.ReceivedBefore,
	}
	for _, t := range m.Targets {
		if t != (TargetMatch{}) {
			p.Targets = append(p.Targets, t.wire())
		}
	}
	return p
}

// MatchOf reverses Proto. A condition that this version does not know is an ErrRecord: ignoring it would select more entries than were
// meant.
func MatchOf(p *activitypb.Match) (Match, error) {
	m := Match{
		Platform: p.Platform, Device: p.Device, Action: p.Action, ActorID: p.ActorId, ActorKind: p.ActorKind,
		NotActorKind: p.NotActorKind, Username: p.Username, RequestID: p.RequestId, Start: p.Start, End: p.End,
		Search: p.Search, ReceivedBefore: p.ReceivedBefore,
	}
	for _, t := range p.Targets {
		var target TargetMatch
		target.Type, target.ID, _ = strings.Cut(t, "\x00")
		target.ID, target.Else, _ = strings.Cut(target.ID, "\x00")
		if !m.Want(target) {
			return Match{}, fmt.Errorf("%w: more than %d targets in a command", ErrRecord, MaxTargetsMatch)
		}
	}
	if !slices.Equal(m.Proto().Targets, p.Targets) { // an empty target would match everything
		return Match{}, fmt.Errorf("%w: a command with an empty target", ErrRecord)
	}
	if len(p.ProtoReflect().GetUnknown()) > 0 {
		return Match{}, fmt.Errorf("%w: a command with conditions of a newer version", ErrRecord)
	}
	if err := m.Validate(); err != nil {
		return Match{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return m, nil
}
