package schema

import (
	"testing"
	"time"
)

func TestParseISO8601(t *testing.T) {
	for text, want := range map[string]string{
		"2024-03-15T10:30:00Z":                "2024-03-15T10:30:00Z",
		"2024-03-15T10:30:00.5+02:00":         "2024-03-15T08:30:00.5Z",
		"2024-03-15T10:30:00,5Z":              "2024-03-15T10:30:00.5Z",
		"2024-03-15T10:30:00-0230":            "2024-03-15T13:00:00Z",
		"2024-03-15T10:30:00+02":              "2024-03-15T08:30:00Z",
		"2024-03-15T10:30:00.123456789":       "2024-03-15T10:30:00.123456789Z",
		"2024-03-15T10:30+02:00":              "2024-03-15T08:30:00Z",
		"2024-03-15T10:30":                    "2024-03-15T10:30:00Z",
		"2024-02-29":                          "2024-02-29T00:00:00Z",
		"2023-02-29":                          "",
		"2024-03-15 10:30:00":                 "",
		"2024-03-15T10:30:00 02:00":           "",
		"2024-03-15T24:00:00Z":                "",
		"2024-3-15":                           "",
		"1710498600":                          "",
		"":                                    "",
		"2024-03-15T10:30:00Z and more after": "",
	} {
		got, dateOnly, err := ParseISO8601(text)
		if (err == nil) != (want != "") || err == nil && got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%q: got %s, %v, want %q", text, got, err, want)
		}
		if err == nil && dateOnly != (len(text) == len("2024-02-29")) {
			t.Errorf("%q: got dateOnly %v", text, dateOnly)
		}
	}
}

func FuzzParseISO8601(f *testing.F) {
	for _, seed := range []string{"2024-03-15", "2024-03-15T10:30:00.5+02:00", "2024-03-15T10:30", "9999-99-99", "0000-01-01T00:00:00Z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, _, err := ParseISO8601(text)
		if err != nil {
			return
		}
		again, _, err := ParseISO8601(first.UTC().Format(time.RFC3339Nano))
		if year := first.UTC().Year(); year >= 0 && year <= 9999 && (err != nil || !again.Equal(first)) {
			t.Errorf("%q: got %s, then %s, %v", text, first, again, err)
		}
	})
}
