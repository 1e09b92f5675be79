// Package schema is the domain: an activity as an entry in memory and as a record in Kafka, its id, the position of a write, the
// caller of a request, and the kinds of errors. It imports nothing else of this module but the generated activitypb. Its packages
// api, clickhouse and kafka add what belongs to HTTP, to the tables and to the topics.
package schema

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of one entry, in bytes unless said otherwise. A longer value is refused with ErrTooLarge; nothing is ever cut.
const (
	MaxNameBytes    = 1 << 10   // action, platform, device, actor id and name, request id, target type and id, extra fields
	MaxDetailBytes  = 64 << 10  // detail
	MaxDetailsBytes = 128 << 10 // details
	MaxTargets      = 64
	MaxDepth        = 32  // nesting of details
	MaxKeys         = 256 // keys of one object in details
)

// Bounds of an entry's timestamp in Unix ms, 1970-01-01T00:00:00.001Z to 2105-12-31T23:59:59.999Z: what ClickHouse's
// DateTime, the type of the rollups' hours, can hold. 0 is refused because a client without a clock sends it.
const (
	MinTimestamp int64 = 1
	MaxTimestamp int64 = 4291747199999
)

// Entry is one activity: who did what, on which device, to what, when.
type Entry struct {
	ID         uint64 // ≤ 2^53-1; given by the collector
	Tenant     string
	Timestamp  int64  // Unix ms; when it happened, according to the client
	ReceivedAt int64  // Unix ms; when the collector received it
	Action     string // required
	Platform   string
	Device     string
	ActorID    string
	ActorName  string // the account's name; the fleet dialect's username
	ActorKind  string // what the actor is, such as business or service; empty for a person
	Targets    []Target
	RequestID  string
	Detail     string // free text
	Details    string // a JSON object exactly as sent; empty if there was none
	Extra      Extra
}

// Target is an object of the action.
type Target struct {
	Type, ID, Name string
}

// Extra holds the fields that have no column and no filter.
type Extra struct {
	ActorLabel                  string
	IPAddress, UserAgent, Layer string
}

// Validate returns a *FieldError for the first field that is wrong, under its name in this package. It does not look into
// Details: the decoder has checked its syntax.
func (e *Entry) Validate() error {
	if e.Action == "" {
		return Missing("action")
	}
	for _, f := range [...]struct{ name, value string }{
		{"action", e.Action},
		{"platform", e.Platform},
		{"device", e.Device},
		{"actor id", e.ActorID},
		{"actor name", e.ActorName},
		{"actor kind", e.ActorKind},
		{"request id", e.RequestID},
		{"actor label", e.Extra.ActorLabel},
		{"ip address", e.Extra.IPAddress},
		{"user agent", e.Extra.UserAgent},
		{"layer", e.Extra.Layer},
	} {
		if err := CheckText(f.name, f.value, MaxNameBytes); err != nil {
			return err
		}
	}
	if err := CheckText("detail", e.Detail, MaxDetailBytes); err != nil {
		return err
	}
	if len(e.Details) > MaxDetailsBytes {
		return TooLong("details", len(e.Details), MaxDetailsBytes)
	}
	if err := CheckTimestamp("timestamp", e.Timestamp); err != nil {
		return err
	}
	return checkTargets(e.Targets)
}

func checkTargets(targets []Target) error {
	if len(targets) > MaxTargets {
		return &FieldError{Field: "targets", Code: "TOO_MANY", Issue: fmt.Sprintf("at most %d targets, got %d", MaxTargets, len(targets))}
	}
	for _, t := range targets {
		if t.Type == "" || t.ID == "" {
			return &FieldError{Field: "targets", Code: "REQUIRED", Issue: "a target needs a type and an id"}
		}
		for _, v := range [...]string{t.Type, t.ID, t.Name} {
			if err := CheckText("targets", v, MaxNameBytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// CheckText returns a *FieldError unless value can be stored in the field: at most maxBytes of valid UTF-8 without NUL.
func CheckText(field, value string, maxBytes int) error {
	switch {
	case len(value) > maxBytes:
		return TooLong(field, len(value), maxBytes)
	case strings.IndexByte(value, 0) >= 0:
		return &FieldError{Field: field, Code: "NUL", Issue: "must not contain NUL"}
	case !utf8.ValidString(value):
		return &FieldError{Field: field, Code: "UTF8", Issue: "must be valid UTF-8"}
	}
	return nil
}

// CheckTimestamp returns a *FieldError unless ms lies between MinTimestamp and MaxTimestamp, both inclusive.
func CheckTimestamp(field string, ms int64) error {
	if ms < MinTimestamp || ms > MaxTimestamp {
		return &FieldError{Field: field, Code: "RANGE", Issue: "must be a time after 1970-01-01T00:00:00Z and before 2106-01-01T00:00:00Z"}
	}
	return nil
}
