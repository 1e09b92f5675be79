package schema

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const (
	dayMillis    = 86_400_000
	minuteMillis = 60_000
	secondMillis = 1000
)

func TestParseISO(t *testing.T) {
	for text, want := range map[string]struct {
		first string // empty if it is not a time
		span  int64
	}{
		"2024-03-15T10:30:00Z":                {"2024-03-15T10:30:00Z", secondMillis},
		"2024-03-15t10:30:00z":                {"2024-03-15T10:30:00Z", secondMillis},
		"2024-03-15 10:30:00":                 {"2024-03-15T10:30:00Z", secondMillis},
		"2024-03-15 10:30:00.25":              {"2024-03-15T10:30:00.25Z", 1},
		"2024-03-15T10:30:00.5+02:00":         {"2024-03-15T08:30:00.5Z", 1},
		"2024-03-15T10:30:00,5Z":              {"2024-03-15T10:30:00.5Z", 1},
		"2024-03-15T10:30:00.000Z":            {"2024-03-15T10:30:00Z", 1},
		"2024-03-15T10:30:00-0230":            {"2024-03-15T13:00:00Z", secondMillis},
		"2024-03-15 10:30:00+0100":            {"2024-03-15T09:30:00Z", secondMillis},
		"2024-03-15T10:30:00+02":              {"2024-03-15T08:30:00Z", secondMillis},
		"2024-03-15T10:30:00.1234567-05:00":   {"2024-03-15T15:30:00.123Z", 1},
		"2024-03-15T10:30:00.123456789":       {"2024-03-15T10:30:00.123Z", 1},
		"2024-03-15T10:30:00.1234567891":      {"2024-03-15T10:30:00.123Z", 1},
		"2024-03-15T10:30+02:00":              {"2024-03-15T08:30:00Z", minuteMillis},
		"2024-03-15T10:30":                    {"2024-03-15T10:30:00Z", minuteMillis},
		"2024-02-29":                          {"2024-02-29T00:00:00Z", dayMillis},
		"0001-01-01T00:00:00":                 {"0001-01-01T00:00:00Z", secondMillis},
		"9999-12-31T23:59:59.9999999Z":        {"9999-12-31T23:59:59.999Z", 1},
		"2023-02-29":                          {},
		"2023-00-01":                          {},
		"2023-13-01":                          {},
		"2023-01-00":                          {},
		"2024-03-15T10:30:00 02:00":           {}, // whoever reads URLs knows about the plus
		"2024-03-15T24:00:00Z":                {},
		"2024-03-15T10:60:00Z":                {},
		"2024-03-15T10:30:00.":                {},
		"2024-03-15T10:30:00.Z":               {},
		"2024-03-15T10:30:00+2":               {},
		"2024-03-15T10:30:00+02:":             {},
		"2024-03-15T10:30:00+24:00":           {},
		"2024-03-15T10":                       {},
		"2024-03-15T":                         {},
		"2024-03-15_10:30:00":                 {},
		"2024-3-15":                           {},
		"20240315":                            {},
		"1710498600":                          {},
		"":                                    {},
		"2024-03-15T10:30:00Z and more after": {},
		"2024-03-15T10:30:00ZZ":               {},
		"２０２４-03-15":                          {},
	} {
		got, err := ParseISO(text)
		if (err == nil) != (want.first != "") {
			t.Errorf("%q: got %v, %v, want %q", text, got, err, want.first)
			continue
		}
		cut := strings.Contains(text, ".1234567") || strings.Contains(text, ".9999999")
		if first := time.UnixMilli(got.Millis).UTC().Format(time.RFC3339Nano); err == nil && (first != want.first || got.Span != want.span || got.Cut != cut) {
			t.Errorf("%q: got %s for %d ms, want %s for %d ms", text, first, got.Span, want.first, want.span)
		}
	}
}

func FuzzParseISO(f *testing.F) {
	for _, seed := range []string{"2024-03-15", "2024-03-15T10:30:00.5+02:00", "2024-03-15 10:30", "9999-99-99", "0000-01-01T00:00:00Z", "2024-03-15t10:30:00,5z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := ParseISO(text)
		if err != nil {
			return
		}
		at := time.UnixMilli(first.Millis).UTC()
		again, err := ParseISO(at.Format("2006-01-02T15:04:05.000Z07:00"))
		if at.Year() >= 0 && at.Year() <= 9999 && (err != nil || again.Millis != first.Millis) || first.Span < 1 {
			t.Errorf("%q: got %v, then %v, %v", text, first, again, err)
		}
		if by, err := time.Parse(time.RFC3339, text); err == nil && by.UnixMilli() != first.Millis {
			t.Errorf("%q: got %v, want %s", text, first, by)
		}
	})
}

func TestParseUnix(t *testing.T) {
	const at = int64(1_707_725_000_000)
	for text, want := range map[string]struct {
		ms, span int64 // span 0: refused
		cut      bool
	}{
		"1707725000":             {at, secondMillis, false},
		"1707725000.0":           {at, secondMillis, false},
		"1.707725e9":             {at, secondMillis, false},
		"1707725000.5":           {at + 500, 1, false},
		"1707725000.123":         {at + 123, 1, false},
		"1707725000.9999":        {at + 999, 1, true},
		"1707725000123":          {at + 123, 1, false},
		"1707725000123.0":        {at + 123, 1, false},
		"1.707725000123e12":      {at + 123, 1, false},
		"1707725000123.75":       {at + 123, 1, true},
		"17077250001230e-1":      {at + 123, 1, false},
		"0":                      {0, secondMillis, false},
		"-1":                     {-1000, secondMillis, false},
		"99999999999":            {99_999_999_999_000, secondMillis, false},
		"100000000000":           {100_000_000_000, 1, false}, // 1973 in ms
		"99999999999999":         {99_999_999_999_999, 1, false},
		"1707725000000000":       {}, // µs
		"100000000000000":        {},
		"1707725000000000000":    {}, // ns
		"1.7e18":                 {},
		"253402300799":           {253_402_300_799_000, secondMillis, false}, // the year 9999 in seconds
		"253402300799999":        {253_402_300_799_999, 1, false},            // and in ms
		"253402300800000":        {253_402_300_800_000, 1, false},            // as /Date()/ of DateTime.MaxValue
		"8640000000000000":       {8_640_000_000_000_000, 1, false},          // JavaScript's last date
		"9223372036854775807":    {1<<63 - 1, 1, false},
		"99999999999999999999.5": {1<<63 - 1, 1, true},
		"1e300":                  {1<<63 - 1, 1, false},
		"-62135596800":           {-62_135_596_800_000, secondMillis, false}, // .NET's first date in seconds
		"-62135596800000":        {-62_135_596_800_000, 1, false},
		"-1e300":                 {-(1<<63 - 1), 1, false},
		"":                       {},
		"x":                      {},
		"1_707":                  {},
		"0x10":                   {},
		"1e":                     {},
		".5":                     {},
		"5.":                     {},
		"--5":                    {},
		"Inf":                    {},
		"NaN":                    {},
	} {
		got, err := ParseUnix("start", text)
		var f *FieldError
		if want.span == 0 {
			if !errors.As(err, &f) || f.Field != "start" {
				t.Errorf("%s: got %v, %v, want an error of start", text, got, err)
			}
		} else if err != nil || got != (Instant{want.ms, want.span, want.cut}) {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for n, want := range map[int64]string{
		1_707_725_000_123_456: "t: looks like microseconds: must be Unix seconds or milliseconds", 1_707_725_000_123_456_789: "t: looks like nanoseconds: must be Unix seconds or milliseconds",
	} {
		if _, err := UnixMillis("t", n); err == nil || err.Error() != want {
			t.Errorf("%d: got %v, want %s", n, err, want)
		}
	}
}

func TestParseDate(t *testing.T) {
	for text, want := range map[string]int64{
		"/Date(1707721400000)/": 1_707_721_400_000, "/Date(1707721400000+0100)/": 1_707_721_400_000, "/Date(1707721400000-0500)/": 1_707_721_400_000,
		`\/Date(1707721400000)\/`: 1_707_721_400_000, "/Date(-62135596800000-0000)/": -62_135_596_800_000, "/Date(1000)/": 1000, "/Date(0)/": 0,
		"/Date(253402300800000)/": 253_402_300_800_000, "/Date(99999999999999999999)/": 1<<63 - 1,
	} {
		if got, err := ParseDate(text); err != nil || got != (Instant{want, 1, false}) {
			t.Errorf("%s: got %v, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "/Date()/", "/Date(1.5)/", "/Date(1e3)/", "/Date(x)/", "Date(1)", "/Date(1)", "/Date(1+01:00)/", "/Date(1+010)/", "/Date(1+)/", "/Date(--1)/", "/Date(1 0100)/", "/date(1)/", "x/Date(1)/",
	} {
		if got, err := ParseDate(text); err == nil {
			t.Errorf("%s: got %v, want an error", text, got)
		}
	}
}

func TestParseInteger(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "45": 45, "45.0": 45, "4.5e1": 45, "4.5E+1": 45, "4500e-2": 45, "-45.00": -45, "0e9": 0, "0.0e-9": 0,
		"9223372036854775807": 1<<63 - 1, "9223372036854775808": 1<<63 - 1, "1e400": 1<<63 - 1, "-1e99999999999": -(1<<63 - 1),
	} {
		if got, ok := ParseInteger(text); !ok || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "45.5", "1e-1", "4.55e1", "0.0001", "1e-99999999999", "x", "true", `"45"`, "1e1.5", "+1", " 1"} {
		if got, ok := ParseInteger(text); ok {
			t.Errorf("%s: got %d, want none", text, got)
		}
	}
}

func FuzzParseUnix(f *testing.F) {
	for _, seed := range []string{"0", "1707725000.5", "1.7e9", "-1e-400", "9e999999999999", "00012", "253402300799"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		i, err := ParseUnix("t", text)
		var field *FieldError
		if err != nil && !errors.As(err, &field) || err == nil && i.Span != 1 && i.Span != secondMillis {
			t.Errorf("%q: got %v, %v", text, i, err)
		}
	})
}
