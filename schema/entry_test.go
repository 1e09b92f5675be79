package schema

import (
	"errors"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name  string
		edit  func(*Entry)
		field string
		kind  error
	}{
		{"ordinary", func(*Entry) {}, "", nil},
		{"longest name", func(e *Entry) { e.Device = strings.Repeat("x", MaxNameBytes) }, "", nil},
		{"first and last time", func(e *Entry) { e.Timestamp = MaxTimestamp }, "", nil},
		{"no action", func(e *Entry) { e.Action = "" }, "action", ErrInvalid},
		{"NUL", func(e *Entry) { e.Platform = "a\x00b" }, "platform", ErrInvalid},
		{"not UTF-8", func(e *Entry) { e.ActorName = "\xff" }, "actor name", ErrInvalid},
		{"long device", func(e *Entry) { e.Device = strings.Repeat("x", MaxNameBytes+1) }, "device", ErrTooLarge},
		{"long detail", func(e *Entry) { e.Detail = strings.Repeat("x", MaxDetailBytes+1) }, "detail", ErrTooLarge},
		{"long details", func(e *Entry) { e.Details = strings.Repeat("x", MaxDetailsBytes+1) }, "details", ErrTooLarge},
		{"time 0", func(e *Entry) { e.Timestamp = 0 }, "timestamp", ErrInvalid},
		{"1899", func(e *Entry) { e.Timestamp = -2240524800000 }, "timestamp", ErrInvalid},
		{"2106", func(e *Entry) { e.Timestamp = MaxTimestamp + 1 }, "timestamp", ErrInvalid},
		{"target without id", func(e *Entry) { e.Targets = []Target{{Type: "TICKET"}} }, "targets", ErrInvalid},
		{"many targets", func(e *Entry) { e.Targets = make([]Target, MaxTargets+1) }, "targets", ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := Entry{Action: "post", Timestamp: 1707725000000}
			c.edit(&e)
			err := e.Validate()
			var field *FieldError
			if c.field == "" {
				if err != nil {
					t.Fatalf("got %v, want no fault", err)
				}
				return
			}
			if !errors.Is(err, c.kind) || !errors.As(err, &field) || field.Field != c.field {
				t.Errorf("got %v, want %v of the field %q", err, c.kind, c.field)
			}
		})
	}
}
