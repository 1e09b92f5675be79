package schema

import (
	"errors"
	"time"
)

// isoLayouts are the forms of ISO 8601 that a date with a time may have, the most frequent first. Go's parser also takes a
// fraction of the second in each of them.
var isoLayouts = [...]string{
	time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
}

var errISO = errors.New("not a time of ISO 8601")

// ParseISO8601 reads a date with a time, such as 2024-03-15T10:30:00+02:00, or a date alone. Seconds and offset are optional;
// without an offset the time is in UTC. A date alone is the beginning of its day, and dateOnly is true.
func ParseISO8601(text string) (t time.Time, dateOnly bool, err error) {
	if len(text) == len(time.DateOnly) {
		t, err = time.Parse(time.DateOnly, text)
		return t, true, err
	}
	for _, layout := range isoLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, false, nil
		}
	}
	return time.Time{}, false, errISO
}
