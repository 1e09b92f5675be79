package schema

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/activitylog/activitylog/schema/activitypb"
)

// Bounds of a Match.
const (
	maxWords        = 32 // of a search: each is one more look at every text that its index lets through
	MaxTargetsMatch = 5  // targets that an entry can be asked to have at once
)

// DeviceTarget is the type under which an entry's device is a target, too.
const DeviceTarget = "DEVICE"

// Match says which entries of one tenant are meant. Its conditions are AND-ed; an empty one does not count. Two of them are
// equal when they mean the same.
type Match struct {
	Platform, Device, Action string
	ActorID                  string
	ActorKind                string // this kind
	NotActorKind             string // every kind but this one
	Username                 string // the actor's name, or its id where it has no name
	Targets                  [MaxTargetsMatch]TargetMatch
	RequestID                string
	Start, End               int64  // Unix ms, both inclusive; 0 is no bound
	Search                   string // the request id, or words that are all whole words of detail or details
	ReceivedBefore           int64  // Unix ms, exclusive; 0 is no bound
}

// TargetMatch is a target that an entry must have: of the type and with the id, of which one may be empty. The type
// DeviceTarget, and no type, mean the entry's device as well. Where there is an id, a target of the type Else will do, too.
type TargetMatch struct {
	Type, ID, Else string
}

// Want adds a target that the entry must have; it is false when there is no room for one more.
func (m *Match) Want(t TargetMatch) bool {
	for i := range m.Targets {
		if m.Targets[i] == (TargetMatch{}) {
			m.Targets[i] = t
			return true
		}
	}
	return false
}

// Validate names the first field that is wrong, in the words of Match, as a *FieldError.
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
	case len(Words(m.Search)) > maxWords:
		return &FieldError{Field: "search", Code: "TOO_MANY", Issue: fmt.Sprintf("at most %d words", maxWords)}
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

// Words are the runs of letters and digits of a search, with the letters A to Z made small as the index has them.
func Words(search string) []string {
	return strings.FieldsFunc(strings.Map(asciiLower, search), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// asciiLower is ClickHouse's lower: it leaves what is not ASCII alone.
func asciiLower(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// wire is t as Match.Proto has it. A version that knows no Else refuses one, as an id with a NUL.
func (t TargetMatch) wire() string {
	w := t.Type + "\x00" + t.ID
	if t.Else != "" {
		w += "\x00" + t.Else
	}
	return w
}

// Proto is m as a command carries it.
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

// MatchOf is what Proto made p of. A p with conditions that this version does not know is ErrRecord: to leave one out would
// mean more entries.
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
	if !slices.Equal(m.Proto().Targets, p.Targets) { // an empty one would be no condition
		return Match{}, fmt.Errorf("%w: a target of a command says nothing", ErrRecord)
	}
	if len(p.ProtoReflect().GetUnknown()) > 0 {
		return Match{}, fmt.Errorf("%w: a command with conditions of a newer version", ErrRecord)
	}
	if err := m.Validate(); err != nil {
		return Match{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return m, nil
}
