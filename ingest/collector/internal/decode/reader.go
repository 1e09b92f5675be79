// Package decode reads the entries of a write: JSON in the fields of a dialect, as one object, an array, or one object on each
// line. If an entry of a batch is faulty, only this entry is refused; a body that is not JSON fails as a whole. Details are kept byte for
// byte.
package decode

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/activitylog/activitylog/ingest/collector/internal/decode/scan"
	"github.com/activitylog/activitylog/schema"
)

// decoder reads the entries of one dialect.
type decoder interface {
	common() *fields
	decode() error // reads the next object; an error is a *scan.SyntaxError, after which the text cannot be read on
	held() int     // bytes that it keeps for its next use
}

// Takes says how many entries an endpoint takes, and in which form.
type Takes uint8

// What an endpoint takes.
const (
	OneOrMany Takes = iota
	One             // an object
	Many            // an array, or one entry on each line
)

// Options define how a body is read.
type Options struct {
	Form       Form
	Takes      Takes
	Key        string // the request's Idempotency-Key; the event id of a single entry
	MaxEntries int
	ReceivedAt int64 // Unix ms; the timestamp of an entry that has none
}

// Reader reads the entries of a body one after the other: call Reset, then Next until it is false, then Err.
type Reader struct {
	d     decoder
	f     *fields // of d
	event string  // the dialect's name of an event id

	o      Options
	rest   []byte // lines that have not been read
	single bool
	read   int // entries
	hash   uint64
	ended  bool
	err    error
}

// NewFleet reads entries of the fleet dialect.
func NewFleet() *Reader { return newReader(new(fleetDecoder), "event_id") }

// NewAudit reads entries of the audit dialect.
func NewAudit() *Reader { return newReader(new(auditDecoder), "eventId") }

func newReader(d decoder, event string) *Reader { return &Reader{d: d, f: d.common(), event: event} }

// Reset starts to read text, which must not change until the last entry has been used.
func (r *Reader) Reset(text []byte, o Options) {
	r.o, r.rest, r.single, r.read, r.ended, r.err = o, text, false, 0, false, nil
	r.f.Reset(text)
	if err := r.begin(text); err != nil {
		r.end(err)
		return
	}
	switch c := r.f.Peek(); {
	case o.Form == AnyJSON && c == 0:
		r.end(errEmpty)
	case o.Form == AnyJSON && c != '[':
		r.single = true
		if o.Takes == Many {
			r.end(errMany)
		}
	case o.Takes == One:
		r.end(errOne)
	}
}

// begin looks at the beginning of a body. Nearly every one begins with a bracket.
func (r *Reader) begin(text []byte) error {
	if len(text) > 1 && (text[0] == '{' || text[0] == '[') && text[1] != 0 {
		return nil
	}
	r.f.SkipBOM()
	return foreigner(text)
}

// Single reports whether the body is one object.
func (r *Reader) Single() bool { return r.single }

// EventField returns the dialect's name of an event id.
func (r *Reader) EventField() string { return r.event }

// Held returns the number of bytes that r keeps for its next use.
func (r *Reader) Held() int { return r.d.held() }

// Entry returns the entry that Next has found, or its fault. bodyHash is set for an entry with an event id. The strings are valid until Next is
// called again.
func (r *Reader) Entry() (e *schema.Entry, eventID string, bodyHash uint64, fault error) {
	return &r.f.entry, r.f.eventID, r.hash, r.f.fault
}

// Err returns the fault of the body as a whole: none of its entries may be written. If the body is a single entry, its fault is the fault
// of the body.
func (r *Reader) Err() error { return r.err }

var (
	errEmpty   = &schema.FieldError{Field: "body", Code: "REQUIRED", Issue: "must hold an entry"}
	errOne     = &schema.FieldError{Field: "body", Code: "BATCH", Issue: "must be one entry; the batch endpoint takes more"}
	errMany    = &schema.FieldError{Field: "body", Code: "TYPE", Issue: "must be an array of entries, or one entry a line with Content-Type: application/x-ndjson"}
	errKeySize = &schema.FieldError{Field: "Idempotency-Key", Code: "TOO_LARGE", Issue: "at most " + strconv.Itoa(schema.MaxNameBytes) + " bytes", Kind: schema.ErrTooLarge}
	errKeyText = &schema.FieldError{Field: "Idempotency-Key", Code: "UTF8", Issue: "must be valid UTF-8"}
)

func (r *Reader) end(err error) { r.ended, r.err = true, err }

// Next reads the next entry. It is false after the last one and when the body cannot be read on.
func (r *Reader) Next() bool {
	if r.ended {
		return false
	}
	var (
		more bool
		err  error
	)
	switch {
	case r.single:
		more, err = r.nextSingle()
	case r.o.Form == Lines:
		more, err = r.nextLine()
	default:
		more, err = r.nextElement()
	}
	if err == nil {
		if more {
			err = r.check()
		} else {
			err = r.whole()
		}
	}
	if err != nil || !more {
		r.end(err)
		return false
	}
	return true
}

// decode reads one entry. A fault of the entry is left in r.f.fault; its error is a *scan.SyntaxError.
func (r *Reader) decode() error {
	f := r.f
	f.begin(r.o.ReceivedAt)
	if f.Peek() != '{' {
		f.blame("entry", "TYPE", "must be an object")
		return f.ignore()
	}
	return r.d.decode()
}

func (r *Reader) nextSingle() (more bool, err error) {
	f := r.f
	if r.read > 0 {
		return false, nil
	}
	if err := r.decode(); err != nil {
		if isForm(r.rest) {
			err = hinted(err, "; the body is a form, must be JSON")
		}
		return false, err
	}
	if err := f.End(); err != nil {
		return false, r.several(err)
	}
	if f.fault == nil && r.o.Key != "" {
		switch {
		case len(r.o.Key) > schema.MaxNameBytes:
			f.fault = errKeySize
		case !utf8.ValidString(r.o.Key): // it would be kept in another form, which two keys could share
			f.fault = errKeyText
		case f.eventID != "" && f.eventID != r.o.Key:
			f.blame(r.event, "CONFLICT", "is not the Idempotency-Key")
		}
		f.eventID = r.o.Key
	}
	return true, f.fault
}

// isForm reports whether text is name=value pairs, as HTML forms send them and curl -d with them.
func isForm(text []byte) bool {
	name, _, ok := bytes.Cut(text, []byte("="))
	return ok && len(name) > 0 && !bytes.ContainsAny(name, " \t\r\n\"{}[]:,")
}

// several adds a hint for callers who sent several entries to an endpoint that takes one.
func (r *Reader) several(err error) error {
	if r.o.Takes == One {
		return hinted(err, "; more entries go to the batch endpoint")
	}
	return hinted(err, "; entries one a line need Content-Type: application/x-ndjson")
}

func hinted(err error, hint string) error {
	if syntax := (*scan.SyntaxError)(nil); errors.As(err, &syntax) {
		return &scan.SyntaxError{Offset: syntax.Offset, Want: syntax.Want + hint}
	}
	return err
}

func (r *Reader) nextElement() (more bool, err error) {
	f := r.f
	if r.read == 0 {
		f.Take('[')
		more = !f.Take(']')
	} else if more, err = f.Next(']'); err != nil {
		return false, err
	}
	if !more {
		return false, f.End()
	}
	return true, r.decode()
}

// nextLine reads the next line that is not empty. A line that is not JSON is a fault of that entry only.
func (r *Reader) nextLine() (more bool, err error) {
	f := r.f
	for len(r.rest) > 0 {
		line := r.rest
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line, r.rest = line[:i], line[i+1:]
		} else {
			r.rest = nil
		}
		f.Reset(line)
		f.SkipBOM() // files that were joined have it in the middle
		if f.Peek() == 0 && f.End() == nil {
			continue
		}
		err := r.decode()
		if err == nil {
			err = f.End()
		}
		if err != nil {
			f.fault = err
		}
		return true, nil
	}
	return false, nil
}

// check counts the entry and sets its hash and its default timestamp.
func (r *Reader) check() error {
	if r.read >= r.o.MaxEntries {
		return &schema.FieldError{Field: "body", Code: "TOO_MANY", Issue: "at most " + strconv.Itoa(r.o.MaxEntries) + " entries", Kind: schema.ErrTooLarge}
	}
	r.read++
	f := r.f
	if f.fault != nil {
		return nil
	}
	r.hash = 0
	if f.eventID != "" {
		r.hash = f.bodyHash()
	}
	if f.entry.Timestamp == 0 {
		f.entry.Timestamp = r.o.ReceivedAt
	}
	return nil
}

// whole checks the body after its last entry.
func (r *Reader) whole() error {
	switch {
	case r.read == 0:
		return errEmpty
	case !r.single && r.o.Key != "":
		return &schema.FieldError{Field: "Idempotency-Key", Code: "BATCH", Issue: "stands for one entry; give each entry of a batch an " + r.event}
	}
	return nil
}
