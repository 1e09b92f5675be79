package request

import (
	"errors"
	"testing"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/schema"
)

const (
	noon = int64(1_710_504_000_000) // 2024-03-15T12:00:00Z
	none = int64(-1)                // a fault
)

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		text       string
		start, end int64
		numbers    bool // only Time takes it
	}{
		{"2024-03-15T12:00:00Z", noon, noon + 999, false},
		{" 2024-03-15T12:00:00Z ", noon, noon + 999, false},
		{"2024-03-15T12:00:00.000Z", noon, noon, false},
		{"2024-03-15t12:00:00z", noon, noon + 999, false},
		{"2024-03-15 12:00:00", noon, noon + 999, false},
		{"2024-03-15T12:00:00.123Z", noon + 123, noon + 123, false},
		{"2024-03-15T12:00:00,123456789Z", noon + 123, noon + 123, false},
		{"2024-03-15T14:30:00+02:30", noon, noon + 999, false},
		{"2024-03-15T14:30:00 02:30", noon, noon + 999, false}, // a plus that was not escaped
		{"2024-03-15 14:30:00 0230", noon, noon + 999, false},
		{"2024-03-15 14:00:00.5 02", noon + 500, noon + 500, false},
		{"2024-03-15T14:00 02", noon, noon + 59_999, false},
		{"2024-03-15T10:00:00-0200", noon, noon + 999, false},
		{"2024-03-15T12:00:00", noon, noon + 999, false},
		{"2024-03-15T12:00Z", noon, noon + 59_999, false},
		{"2024-03-15", noon - 43_200_000, noon + 43_199_999, false},
		{"2024-02-29", 1_709_164_800_000, 1_709_251_199_999, false},
		{"1970-01-01", 0, 86_399_999, false},
		{"2023-02-29", none, none, false},
		{"2024-03-15T24:00:00Z", none, none, false},
		{"2024-03-15T12:00:00  02", none, none, false},
		{"2024-03-15T12:00:00 Z", none, none, false},
		{"2024-3-15", none, none, false},
		{"now", none, none, false},
		{" ", none, none, false},
		{"\t\u00a0", none, none, false},
		{"1710504000", noon, noon + 999, true},
		{"1710504000.0", noon, noon + 999, true},
		{"1710504000.25", noon + 250, noon + 250, true},
		{"1710504000123", noon + 123, noon + 123, true},
		{"1.710504e12", noon, noon, true},
		{"/Date(1710504000000)/", noon, noon, true},
		{"/Date(1710504000000+0100)/", noon, noon, true},
		{"/Date(1710504000000 0100)/", noon, noon, true},
		{`\/Date(1710504000000 0100)\/`, noon, noon, true},
		{"/Date(1000 0100)/", 1000, 1000, true},
		{"1710504000000000", none, none, true},
		{"1710504000000000000", none, none, true},
		{"/Date(noon)/", none, none, true},
	} {
		for _, read := range []struct {
			numbers bool
			bound   func(name, text string) (Bound, error)
		}{{false, ISOTime}, {true, Time}} {
			wantStart, wantEnd := c.start, c.end
			if c.numbers && !read.numbers {
				wantStart, wantEnd = none, none
			}
			b, err := read.bound("startDate", c.text)
			var f *schema.FieldError
			if (err != nil) != (wantStart == none) || err != nil && (!errors.As(err, &f) || f.Field != "startDate") {
				t.Errorf("%q: got %v, %v", c.text, b, err)
			}
			if err == nil && (b.At.Millis != wantStart || b.At.Last() != wantEnd || !b.Given) {
				t.Errorf("%q: got %d to %d, want %d to %d", c.text, b.At.Millis, b.At.Last(), wantStart, wantEnd)
			}
		}
	}
}

// A window may reach beyond the times that entries can have. If it lies there as a whole, nothing matches.
func TestWindow(t *testing.T) {
	const least, most = schema.MinTimestamp, schema.MaxTimestamp
	for _, c := range []struct {
		start, end         string
		wantStart, wantEnd int64 // none: a fault
		nothing            bool
	}{
		{"", "", 0, 0, false},
		{"2024-03-15T12:00:00Z", "2024-03-15T12:00:00Z", noon, noon + 999, false},
		{"2024-03-15T12:00:00.5Z", "2024-03-15T12:00:00Z", noon + 500, noon + 999, false},
		{"2024-03-15T12:00:01Z", "2024-03-15T12:00:00Z", none, none, false},
		{"2024-03-16", "2024-03-15", none, none, false},
		{"0001-01-01", "9999-12-31", 0, most, false},
		{"-62135596800000", "253402300799999", 0, most, false},
		{"-62135596800", "253402300799", 0, most, false},
		{"/Date(-62135596800000-0000)/", "/Date(253402300800000+0000)/", 0, most, false},
		{"0", "9223372036854775807", 0, most, false},
		{"-99999999999999999999", "99999999999999999999", 0, most, false},
		{"2105-12-31T23:59:59.999Z", "2106-01-01", most, most, false},
		{"1970-01-01T00:00:00Z", "", 0, 0, false},
		{"1970-01-01T00:00:00.001Z", "", 1, 0, false},
		{"2106-01-01", "", most, 0, true},
		{"9223372036854775807", "", most, 0, true},
		{"", "1969-12-31", 0, least, true},
		{"", "1969-12-31T23:59:59.999Z", 0, least, true},
		{"", "1970-01-01T00:00:00Z", 0, 999, false},
		{"", "-1", 0, least, true},
		{"1960-01-01", "1965-01-01", 0, least, true},
		{"2110-01-01", "2120-01-01", most, most, true},
		{"2120-01-01", "2110-01-01", none, none, false},
	} {
		var f query.Filter
		start, err1 := Time("from", c.start)
		end, err2 := Time("to", c.end)
		err := Window(&f, start, end)
		var field *schema.FieldError
		if err1 != nil || err2 != nil || (err != nil) != (c.wantStart == none) || err != nil && (!errors.As(err, &field) || field.Field != "from") {
			t.Errorf("%q to %q: got %v, %v, %v", c.start, c.end, err1, err2, err)
			continue
		}
		if err == nil && (f.Start != c.wantStart || f.End != c.wantEnd || (f.ReceivedBefore != 0) != c.nothing) {
			t.Errorf("%q to %q: got %d to %d, nothing %v, want %d to %d, %v", c.start, c.end, f.Start, f.End, f.ReceivedBefore != 0, c.wantStart, c.wantEnd, c.nothing)
		}
		if err := f.Match.Validate(); err != nil {
			t.Errorf("%q to %q: %v", c.start, c.end, err)
		}
	}
}

func FuzzWindow(f *testing.F) {
	for _, seed := range []string{"", "2024-03-15", "2024-03-15T12:00:00.5Z", "2024-03-15T12:00:00 02:00", "9999-99-99", "1e400", "/Date(1 0100)/", " ", "253402300799"} {
		f.Add(seed, "2024-03-15")
		f.Add("1", seed)
	}
	f.Fuzz(func(t *testing.T, from, to string) {
		start, err1 := Time("from", from)
		end, err2 := Time("to", to)
		var w query.Filter
		if err1 != nil || err2 != nil || Window(&w, start, end) != nil {
			return
		}
		if err := w.Match.Validate(); err != nil {
			t.Errorf("%q to %q: got %d to %d: %v", from, to, w.Start, w.End, err)
		}
	})
}
