package request

import (
	"errors"
	"testing"
	"time"

	"github.com/activitylog/activitylog/schema"
)

func TestISOTime(t *testing.T) {
	const noon = int64(1_710_504_000_000) // 2024-03-15T12:00:00Z
	for _, c := range []struct {
		text       string
		start, end int64 // -1 is a fault
	}{
		{"", 0, 0},
		{"2024-03-15T12:00:00Z", noon, noon},
		{"2024-03-15T12:00:00.123Z", noon + 123, noon + 123},
		{"2024-03-15T12:00:00,123456789Z", noon + 123, noon + 123},
		{"2024-03-15T14:30:00+02:30", noon, noon},
		{"2024-03-15T14:30:00 02:30", noon, noon}, // a plus that was not escaped
		{"2024-03-15T10:00:00-0200", noon, noon},
		{"2024-03-15T14:00:00+02", noon, noon},
		{"2024-03-15T12:00:00", noon, noon},
		{"2024-03-15T12:00", noon, noon},
		{"2024-03-15T12:00Z", noon, noon},
		{"2024-03-15", noon - 43_200_000, noon + 43_199_999},
		{"2024-02-29", 1_709_164_800_000, 1_709_251_199_999},
		{"2023-02-29", -1, -1},
		{"1970-01-01", 0, 86_399_999},
		{"1970-01-01T00:00:00.001Z", 1, 1},
		{"1970-01-01T00:00:00Z", 0, -1},
		{"1969-12-31", 0, -1},
		{"0001-01-01", 0, -1},
		{"2105-12-31", schema.MaxTimestamp - 86_399_999, schema.MaxTimestamp},
		{"2106-01-01", -1, schema.MaxTimestamp},
		{"9999-12-31T23:59:59Z", -1, schema.MaxTimestamp},
		{"2024-03-15T24:00:00Z", -1, -1},
		{"2024-03-15 12:00:00", -1, -1},
		{"2024-3-15", -1, -1},
		{"1710504000", -1, -1},
		{"now", -1, -1},
	} {
		for edge, want := range map[Edge]int64{Start: c.start, End: c.end} {
			got, err := ISOTime("startDate", c.text, edge)
			var f *schema.FieldError
			if want < 0 && (!errors.As(err, &f) || f.Field != "startDate") || want >= 0 && (err != nil || got != want) {
				t.Errorf("%q as edge %d: got %d, %v, want %d", c.text, edge, got, err, want)
			}
		}
	}
}

func FuzzISOTime(f *testing.F) {
	for _, seed := range []string{"", "2024-03-15", "2024-03-15T12:00:00.5Z", "2024-03-15T12:00:00 02:00", "9999-99-99"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		start, err1 := ISOTime("t", text, Start)
		end, err2 := ISOTime("t", text, End)
		if err1 == nil && err2 == nil && end < start {
			t.Errorf("%q: from %d to %d", text, start, end)
		}
		if err1 == nil && start != 0 {
			again, err := ISOTime("t", time.UnixMilli(start).UTC().Format(time.RFC3339Nano), Start)
			if err != nil || again != start {
				t.Errorf("%q: got %d, then %d, %v", text, start, again, err)
			}
		}
	})
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]int{"": 20, "1": 1, "1000": 1000, "1001": 1000, "99999999999999999999": 1000, "0": -1, "-1": -1, "-99999999999999999999": -1, "1.0": -1, "x": -1, " 1": -1} {
		got, err := Limit("limit", text, 20)
		if (err == nil) != (want > 0) || err == nil && got != want {
			t.Errorf("limit %q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]int64{"": 1, "1": 1, "9223372036854775807": 1<<63 - 1, "9223372036854775808": -1, "0": -1, "-7": -1, "1e3": -1} {
		got, err := Whole("page", text, 1, 1)
		if (err == nil) != (want > 0) || err == nil && got != want {
			t.Errorf("page %q: got %d, %v, want %d", text, got, err, want)
		}
	}
}
