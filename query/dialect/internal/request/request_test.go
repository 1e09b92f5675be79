package request

import (
	"testing"
)

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
