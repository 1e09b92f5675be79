package request

import (
	"errors"
	"strings"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/schema"
)

// Bound is a bound of a time window, under its name in the dialect.
type Bound struct {
	Name  string
	At    schema.Instant
	Given bool
}

// ISOTime reads a parameter that is an ISO 8601 time, or empty. Only spaces are an error: taken as empty, they would remove a bound of an
// erasure.
func ISOTime(name, text string) (Bound, error) {
	if text == "" {
		return Bound{Name: name}, nil
	}
	at, err := schema.ParseISO(plus(strings.TrimSpace(text)))
	if err != nil {
		return Bound{}, &schema.FieldError{Field: name, Code: "SYNTAX", Issue: "must be a time of ISO 8601, such as 2024-03-15T10:30:00Z or 2024-03-15"}
	}
	return Bound{name, at, true}, nil
}

// Time reads a parameter that is a time in any form: of ISO 8601, Unix seconds or milliseconds, or /Date(ms)/; or empty, as ISOTime.
func Time(name, text string) (Bound, error) {
	if text == "" {
		return Bound{Name: name}, nil
	}
	text = strings.TrimSpace(text)
	for _, parse := range [...]func(string) (schema.Instant, error){schema.ParseISO, schema.ParseDate} {
		if at, err := parse(plus(text)); err == nil {
			return Bound{name, at, true}, nil
		}
	}
	at, err := schema.ParseUnix(name, text)
	var f *schema.FieldError
	if errors.As(err, &f) && f.Code == "TYPE" {
		f.Code, f.Issue = "SYNTAX", "must be a time of ISO 8601, such as 2024-03-15T10:30:00Z or 2024-03-15, or a number of Unix seconds or milliseconds"
	}
	return Bound{name, at, true}, err
}

// plus restores each plus sign that was not escaped in a URL, and so became a space. The space between a date and a time stays.
func plus(text string) string {
	date, rest := "", text
	if n := len("2024-03-15"); len(text) > n && text[0] != '/' && text[0] != '\\' {
		date, rest = text[:n+1], text[n+1:]
	}
	return date + strings.ReplaceAll(rest, " ", "+")
}

// Window sets the bounds of f, both inclusive; an end that names a day includes the whole day. Bounds before schema.MinTimestamp or after
// schema.MaxTimestamp are not refused, because there are no entries.
func Window(f *query.Filter, start, end Bound) error {
	if start.Given && end.Given && start.At.Millis > end.At.Last() {
		return &schema.FieldError{Field: start.Name, Code: "RANGE", Issue: "must not be after " + end.Name}
	}
	if start.Given && start.At.Millis >= schema.MinTimestamp {
		f.Start = min(start.At.Millis, schema.MaxTimestamp)
	}
	if end.Given {
		f.End = min(max(end.At.Last(), schema.MinTimestamp), schema.MaxTimestamp)
	}
	if start.Given && start.At.Millis > schema.MaxTimestamp || end.Given && end.At.Last() < schema.MinTimestamp {
		f.ReceivedBefore = 1 // the whole window is outside: nothing was received before 1970
	}
	return nil
}
