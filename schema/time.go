package schema

import (
	"errors"
	"strings"
	"time"
)

// Instant is a time as a client wrote it.
type Instant struct {
	Millis int64 // its first ms, Unix
	Span   int64 // its length in ms: a day for a date alone, a second for a time without a fraction, at least 1
	Cut    bool  // a fraction of a ms was cut off
}

// Last returns the last ms of i.
func (i Instant) Last() int64 { return i.Millis + i.Span - 1 }

// Numbers that are times. A number below 1e11 is seconds, because 1e11 s is in the year 5138 and 1e11 ms in 1973. From 1e14 on it would
// be that year in ms.
const (
	leastMillis = 100_000_000_000
	leastMicros = 100_000_000_000_000
	leastNanos  = 100_000_000_000_000_000

	// Seconds of the year 9999, which programs send for "no date". As ms they would be in January 1978.
	firstOf9999 = 253_370_764_800
	lastOf9999  = 253_402_300_799
)

// UnixMillis reads a number of Unix seconds or milliseconds as Unix ms, which may lie outside MinTimestamp and MaxTimestamp. A number
// of microseconds or nanoseconds is a *FieldError.
func UnixMillis(field string, n int64) (int64, error) {
	switch {
	case n > -leastMillis && n < leastMillis, n >= firstOf9999 && n <= lastOf9999:
		return n * 1000, nil
	case n < leastMicros, endless(n):
		return n, nil
	case n < leastNanos:
		return 0, tooFine(field, "microseconds")
	}
	return 0, tooFine(field, "nanoseconds")
}

// endless reports whether n ms is a value that programs send for "no end": the year 9999, JavaScript's last date or largest integer, or the
// largest 64-bit integer.
func endless(n int64) bool {
	const lastDate, largestInteger = 8_640_000_000_000_000, 1<<53 - 1
	return n >= firstOf9999*1000 && n <= (lastOf9999+1)*1000 || n == lastDate || n == largestInteger || n == 1<<63-1
}

func tooFine(field, unit string) error {
	return &FieldError{Field: field, Code: "RANGE", Issue: "looks like " + unit + ": must be Unix seconds or milliseconds"}
}

// ParseUnix reads a JSON number as UnixMillis does. A fraction of a second is kept to the ms; a whole number of seconds means that whole
// second.
func ParseUnix(field, text string) (Instant, error) {
	d, ok := parseDecimal(text)
	if !ok {
		return Instant{}, &FieldError{Field: field, Code: "TYPE", Issue: "must be a number of Unix seconds or milliseconds"}
	}
	ms, err := UnixMillis(field, d.whole)
	switch {
	case err != nil:
		return Instant{}, err
	case d.whole != 0 && ms == d.whole: // it is in ms already
		return Instant{Millis: ms, Span: 1, Cut: !d.integral()}, nil
	case d.integral():
		return Instant{Millis: ms, Span: 1000}, nil
	}
	return Instant{Millis: ms + d.thousandths, Span: 1, Cut: d.cut}, nil
}

var errDate = errors.New("not a time in the form /Date(ms)/")

// ParseDate reads a time of Microsoft's JSON, /Date(1707721400000+0100)/. The number is always Unix ms; the offset names the local
// time zone and does not change the time.
func ParseDate(text string) (Instant, error) {
	text = strings.ReplaceAll(text, `\/`, "/")
	text, ok1 := strings.CutPrefix(text, "/Date(")
	text, ok2 := strings.CutSuffix(text, ")/")
	if at := strings.LastIndexAny(text, "+-"); at > 0 {
		zone := isoReader{rest: text[at+1:]}
		zone.number(4)
		ok2 = ok2 && zone.ended()
		text = text[:at]
	}
	d, ok3 := parseDecimal(text)
	if !ok1 || !ok2 || !ok3 || strings.Trim(text, "-0123456789") != "" {
		return Instant{}, errDate
	}
	return Instant{Millis: d.whole, Span: 1}, nil
}

var errISO = errors.New("not a time of ISO 8601")

// ParseISO reads a time of ISO 8601 (RFC 3339 and what programs make of it): a date alone, which stands for its day in UTC, or a date
// with a time such as 2024-03-15T10:30:00.123+02:00. Between them is T, t or a space. Seconds, their fraction and the offset are
// optional; a comma may stand for the point; the offset is Z, z, +02, +0200 or +02:00, and UTC without one. Digits after the
// millisecond are cut off.
func ParseISO(text string) (Instant, error) {
	r := isoReader{rest: text}
	day := r.date()
	if r.ended() {
		return Instant{Millis: day.UnixMilli(), Span: 24 * time.Hour.Milliseconds()}, nil
	}
	if !r.takes("Tt ") {
		return Instant{}, errISO
	}
	i := r.clock()
	i.Millis += day.UnixMilli() - r.offset()
	if !r.ended() {
		return Instant{}, errISO
	}
	return i, nil
}

// isoReader reads a text from its beginning. After the first unexpected part it reads nothing more.
type isoReader struct {
	rest string
	bad  bool
}

func (r *isoReader) ended() bool { return !r.bad && r.rest == "" }

// takes reads one character if it is one of those in set.
func (r *isoReader) takes(set string) bool {
	if r.bad || r.rest == "" || strings.IndexByte(set, r.rest[0]) < 0 {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// wants reads the character c.
func (r *isoReader) wants(c string) {
	if !r.takes(c) {
		r.bad = true
	}
}

// number reads a number of exactly that many digits.
func (r *isoReader) number(digits int) (n int) {
	if r.bad || len(r.rest) < digits {
		r.bad = true
		return 0
	}
	for _, c := range []byte(r.rest[:digits]) {
		if c < '0' || c > '9' {
			r.bad = true
			return 0
		}
		n = n*10 + int(c-'0')
	}
	r.rest = r.rest[digits:]
	return n
}

// below reads a number of two digits that must be less than limit.
func (r *isoReader) below(limit int) int64 {
	n := r.number(2)
	if n >= limit {
		r.bad = true
	}
	return int64(n)
}

func (r *isoReader) date() time.Time {
	year := r.number(4)
	r.wants("-")
	month := r.number(2)
	r.wants("-")
	day := r.number(2)
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if t.Day() != day || int(t.Month()) != month { // such as February 30
		r.bad = true
	}
	return t
}

// clock reads a time of day, in ms since midnight.
func (r *isoReader) clock() Instant {
	ms := r.below(24) * 3_600_000
	r.wants(":")
	ms += r.below(60) * 60_000
	if !r.takes(":") {
		return Instant{Millis: ms, Span: 60_000}
	}
	ms += r.below(60) * 1000
	if !r.takes(".,") {
		return Instant{Millis: ms, Span: 1000}
	}
	fraction, cut := r.fraction()
	return Instant{Millis: ms + fraction, Span: 1, Cut: cut}
}

// fraction reads one digit or more after the point of a second, in ms.
func (r *isoReader) fraction() (ms int64, cut bool) {
	digits := 0
	for unit := int64(100); r.rest != "" && r.rest[0] >= '0' && r.rest[0] <= '9'; unit /= 10 {
		ms += int64(r.rest[0]-'0') * unit
		cut = cut || unit == 0 && r.rest[0] != '0'
		r.rest = r.rest[1:]
		digits++
	}
	r.bad = r.bad || digits == 0
	return ms, cut
}

// offset reads the offset from UTC in ms.
func (r *isoReader) offset() int64 {
	if r.rest == "" || r.takes("Zz") {
		return 0
	}
	sign := int64(-1)
	if r.takes("+") {
		sign = 1
	} else {
		r.wants("-")
	}
	ms := r.below(24) * 3_600_000
	if r.takes(":") || r.rest != "" {
		ms += r.below(60) * 60_000
	}
	return sign * ms
}
