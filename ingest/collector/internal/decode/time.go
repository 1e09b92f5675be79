package decode

import (
	"github.com/activitylog/activitylog/schema"
)

const wantTime = "must be a number of Unix seconds or milliseconds, or a text such as 2026-02-12T08:03:20.000Z"

// timestamp reads the entry's time, in any form that a client may write: see schema.UnixMillis and schema.ParseISO. Nearly every one
// is an integer.
func (f *fields) timestamp() error {
	switch c := f.Peek(); {
	case c == '"':
		value, err := f.String()
		if err != nil {
			return err
		}
		f.TakeFlaw() // a string with a flaw is not a time
		f.date(text(value))
		return nil
	case c != '-' && c-'0' > 9:
		return f.wrongType("timestamp", wantTime)
	}
	start := f.Pos()
	n, ok, err := f.Integer()
	if err != nil {
		return err
	}
	if ok {
		f.time(schema.UnixMillis("timestamp", n))
		return nil
	}
	at, err := schema.ParseUnix("timestamp", text(f.Since(start))) // with a fraction or an exponent, or beyond 10^18
	f.time(at.Millis, err)
	return nil
}

// date reads a text of ISO 8601, or the /Date(ms)/ of Microsoft's JSON.
func (f *fields) date(value string) {
	at, err := schema.ParseISO(value)
	if err != nil {
		at, err = schema.ParseDate(value)
	}
	if err != nil {
		f.blame("timestamp", "SYNTAX", wantTime)
		return
	}
	f.time(at.Millis, nil)
}

// time sets the entry's timestamp, in Unix ms, unless there was an error.
func (f *fields) time(ms int64, err error) {
	if err == nil {
		err = schema.CheckTimestamp("timestamp", ms)
	}
	if err != nil && f.fault == nil {
		f.fault = err
	}
	f.entry.Timestamp = ms
}
