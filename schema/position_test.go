package schema

import (
	"errors"
	"maps"
	"testing"
)

func TestPosition(t *testing.T) {
	p := Position{}
	p.Add(3, 4)
	p.Add(0, 17)
	p.Add(0, 9)
	if got, want := p.String(), "p0:17,p3:4"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	back, err := ParsePosition(p.String())
	if err != nil || !maps.Equal(back, p) {
		t.Errorf("ParsePosition(%q) = %v, %v", p, back, err)
	}
	if empty, err := ParsePosition(""); err != nil || len(empty) != 0 {
		t.Errorf(`ParsePosition("") = %v, %v`, empty, err)
	}
}

func TestParsePositionRefuses(t *testing.T) {
	for _, s := range []string{"p", "0:1", "p0", "p0:", "p:1", "p0:-1", "p0:1,", "p4096:1", "p18446744073709551616:1", "p0:9223372036854775808", "pp0:1", "p0:1;p1:2"} {
		_, err := ParsePosition(s)
		var field *FieldError
		if !errors.Is(err, ErrInvalid) || !errors.As(err, &field) || field.Field != "position" {
			t.Errorf("ParsePosition(%q): %v, want a fault of the field position", s, err)
		}
	}
}

func TestParsePositionIsBounded(t *testing.T) {
	p := Position{}
	for k := range maxPositions {
		p.Add(k, 1)
	}
	if back, err := ParsePosition(p.String()); err != nil || !maps.Equal(back, p) {
		t.Errorf("a position of %d partitions: got %d, %v", len(p), len(back), err)
	}
	p.Add(maxPartition, 1)
	if _, err := ParsePosition(p.String()); !errors.Is(err, ErrInvalid) {
		t.Errorf("a position of %d partitions: got %v, want %v", len(p), err, ErrInvalid)
	}
}

func FuzzParsePosition(f *testing.F) {
	f.Add("p0:17,p3:4")
	f.Add("p4095:9223372036854775807")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePosition(s)
		if err != nil {
			return
		}
		back, err := ParsePosition(p.String())
		if err != nil || !maps.Equal(back, p) {
			t.Fatalf("%q → %v → %v, %v", s, p, back, err)
		}
	})
}
