package decode

import (
	"errors"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/schema"
)

// TestTimestamps checks that every dialect reads a time in each form that clients write, as a number or as a text.
func TestTimestamps(t *testing.T) {
	const at = 1770883400000
	for _, c := range []struct {
		text  string
		want  int64  // 0: refused
		issue string // of a refusal
	}{
		{`1770883400000`, at, ""},
		{`1770883400`, at, ""},
		{`1`, 1000, ""},
		{`99999999999`, 0, "must be a time after"}, // the last one that is seconds
		{`100000000000`, 100000000000, ""},         // the first one that is milliseconds
		{`4291747199`, 4291747199000, ""},
		{`4291747199999`, schema.MaxTimestamp, ""},
		{`4291747200000`, 0, "must be a time after"},

		// A number without a fraction is an integer in every notation that libraries write.
		{`1770883400.0`, at, ""},
		{`1770883400.000000`, at, ""},
		{`1.7708834e9`, at, ""},
		{`1.7708834E+9`, at, ""},
		{`17708834e2`, at, ""},
		{`177088340000e-2`, at, ""},
		{`1770883400000.0`, at, ""},
		{`1.7708834e12`, at, ""},
		{`1e12`, 1e12, ""},
		{`0.17708834e10`, at, ""},

		// A fraction of a second is kept to the millisecond, and that of a millisecond is cut.
		{`1770883400.5`, at + 500, ""},
		{`1770883400.123`, at + 123, ""},
		{`1770883400.123999`, at + 123, ""},
		{`1770883400.001`, at + 1, ""},
		{`1770883400.0009`, at, ""},
		{`1.7708834001e9`, at + 100, ""},
		{`1770883400.9999999999999999`, at + 999, ""},
		{`1770883400123.7`, at + 123, ""},
		{`0.001`, 1, ""},
		{`0.0009`, 0, "must be a time after"},

		{`1770883400000000`, 0, "looks like microseconds"},
		{`100000000000000`, 0, "looks like microseconds"},
		{`1770883400000000.0`, 0, "looks like microseconds"},
		{`1.7708834e15`, 0, "looks like microseconds"},
		{`1770883400000000000`, 0, "looks like nanoseconds"},
		{`100000000000000000`, 0, "looks like nanoseconds"},
		{`1.7708834e18`, 0, "looks like nanoseconds"},

		{`0`, 0, "must be a time after"},
		{`-0`, 0, "must be a time after"},
		{`0.0`, 0, "must be a time after"},
		{`0e9999`, 0, "must be a time after"},
		{`1e-9999`, 0, "must be a time after"},
		{`-1`, 0, "must be a time after"},
		{`-1770883400.5`, 0, "must be a time after"},
		{`-62135596800000`, 0, "must be a time after"}, // the year 1 of .NET
		{`253402300799`, 0, "must be a time after"},    // the year 9999 in seconds, not January 1978
		{`253402300799.999`, 0, "must be a time after"},
		{`253402300799999`, 0, "must be a time after"},
		{`9223372036854775807`, 0, "must be a time after"},
		{`1e9999`, 0, ""},
		{`123456789012345678901234567890`, 0, ""},

		{`"2026-02-12T08:03:20Z"`, at, ""},
		{`"2026-02-12T08:03:20.123456789Z"`, at + 123, ""},
		{`"2026-02-12T08:03:20,123Z"`, at + 123, ""},
		{`"2026-02-12T10:03:20.5+02:00"`, at + 500, ""},
		{`"2026-02-12T13:33:20+05:30"`, at, ""},
		{`"2026-02-12T03:03:20-0500"`, at, ""},
		{`"2026-02-12T09:03:20+0100"`, at, ""},
		{`"2026-02-12T03:03:20.001-05"`, at + 1, ""},
		{`"2026-02-12T08:03:20"`, at, ""},
		{`"2026-02-12T08:03:20.25"`, at + 250, ""},
		{`"2026-02-12T08:03Z"`, at - 20_000, ""},
		{`"2026-02-12T08:03"`, at - 20_000, ""},
		{`"2026-02-12"`, at - 8*3600_000 - 200_000, ""},
		{`"2026\u002d02-12T08:03:20Z"`, at, ""},
		{`"2026-02-12 08:03:20"`, at, ""},
		{`"2026-02-12 08:03:20.5Z"`, at + 500, ""},
		{`"2026-02-12t08:03:20z"`, at, ""},
		{`"2026-02-12 10:03:20+02"`, at, ""},
		{`"2026-02-12T08:03:20.1Z"`, at + 100, ""},
		{`"2105-12-31T23:59:59.999Z"`, schema.MaxTimestamp, ""},
		{`"\/Date(1770883400000)\/"`, at, ""},
		{`"/Date(1770883400000+0100)/"`, at, ""},

		{`"2106-01-01T00:00:00Z"`, 0, "must be a time after"},
		{`"1970-01-01T00:00:00Z"`, 0, "must be a time after"},
		{`"1969-12-31T23:59:59Z"`, 0, "must be a time after"},
		{`"-62135596800000"`, 0, "must be a number"},
		{`"1770883400000"`, 0, "must be a number"},
		{`"2026-02-30T08:03:20Z"`, 0, "must be a number"},
		{`"2026-02-12T08:03:20.Z"`, 0, "must be a number"},
		{`"2026-02-12T25:03:20Z"`, 0, "must be a number"},
		{`"12.02.2026"`, 0, "must be a number"},
		{`"now"`, 0, "must be a number"},
		{`""`, 0, "must be a number"},
		{`"\u0000"`, 0, "must be a number"},
		{`"\ud800"`, 0, "must be a number"},
		{"\"\xff\"", 0, "must be a number"},
		{`true`, 0, "must be a number"},
		{`{}`, 0, "must be a number"},
		{`[1770883400]`, 0, "must be a number"},
	} {
		fleet, fleetErr := decodeOne(`{"action_type":"a","timestamp":` + c.text + `}`)
		audit, auditErr := decodeAudit(`{"action":"a","timestamp":` + c.text + `}`)
		for _, d := range []struct {
			dialect string
			got     int64
			err     error
		}{{"fleet", fleet.entry.Timestamp, fleetErr}, {"audit", audit.entry.Timestamp, auditErr}} {
			var field *schema.FieldError
			switch {
			case c.want == 0:
				if !errors.As(d.err, &field) || field.Field != "timestamp" || !strings.Contains(field.Issue, c.issue) || !errors.Is(d.err, schema.ErrInvalid) {
					t.Errorf("%s: %s: got %v, want a fault of timestamp: %s", d.dialect, c.text, d.err, c.issue)
				}
			case d.err != nil || d.got != c.want:
				t.Errorf("%s: %s: got %d, %v, want %d", d.dialect, c.text, d.got, d.err, c.want)
			}
		}
	}
}

// BenchmarkDecodeFleet reads the entry of the API's own documentation.
func BenchmarkDecodeFleet(b *testing.B) {
	text := []byte(`{"platform":"tiktok","serial":"device_serial_123","action_type":"post","action_detail":"Published video successfully","username":"user123","timestamp":1707725000}`)
	r := NewFleet()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if r.Reset(text, Options{MaxEntries: 1, ReceivedAt: received}); !r.Next() {
			b.Fatal(r.Err())
		}
	}
}
