package decode

import (
	"encoding/binary"
	"strconv"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"github.com/activitylog/activitylog/ingest/collector/internal/decode/scan"
	"github.com/activitylog/activitylog/schema"
)

// fields is what the decoders of all dialects are made of: a scanner, the entry that it is filling, and what is wrong with
// it. The entry's strings share the memory of the text, or of the scanner until the next entry.
type fields struct {
	scan.Scanner
	entry   schema.Entry
	eventID string
	fault   error // the first one of the entry

	within  string // the member that is being read, if it is an object or an array of them
	element int    // of within, from 1 on; 0 if it is no array
}

const maxShownKeyLen = 64

// text makes a string of b without copying: see fields for how long it holds.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// shown is as much of a key as a fault shows.
func shown(key []byte) string { return string(key[:min(len(key), maxShownKeyLen)]) }

// begin forgets the entry before.
func (f *fields) begin(receivedAt int64) {
	f.entry, f.eventID, f.fault = schema.Entry{ReceivedAt: receivedAt}, "", nil
	f.within, f.element = "", 0
	f.Forget()
}

// object is a place within an object. The zero value is before one.
type object struct {
	start int // where the key began
	seen  uint32
	in    bool
}

// next is the key of o's next member; false when there is none.
func (f *fields) next(o *object) (key []byte, more bool, err error) {
	if o.in {
		if more, err = f.Next('}'); !more {
			return nil, false, err
		}
	} else {
		o.in = f.Take('{')
		if f.Take('}') {
			return nil, false, nil
		}
	}
	o.start = f.Pos()
	key, err = f.Key()
	return key, err == nil, err
}

// once blames the key if a member with its bit has been there before.
func (f *fields) once(o *object, bit uint32, key []byte) {
	if o.seen&bit != 0 {
		f.twice(key)
	}
	o.seen |= bit
}

func (f *fields) twice(key []byte) { f.blame(string(key), "DUPLICATE", "must not be given twice") }

func (f *fields) string(field string, to *string, maxBytes int) error {
	if f.Peek() != '"' {
		return f.other(field, "must be a string")
	}
	value, err := f.String()
	if err != nil {
		return err
	}
	f.flawed(field)
	if len(value) > maxBytes && f.fault == nil {
		f.fault = schema.TooLong(f.named(field), len(value), maxBytes)
	}
	*to = text(value)
	return nil
}

func (f *fields) name(field string, to *string) error {
	return f.string(field, to, schema.MaxNameBytes)
}

// other passes a value of another type than the field's; null stands for a field that was left out.
func (f *fields) other(field, want string) error {
	if null, err := f.Null(); null || err != nil {
		return err
	}
	f.blame(field, "TYPE", want)
	return f.pass()
}

// pass passes a value that does not count.
func (f *fields) pass() error {
	err := f.Skip(0)
	f.TakeFlaw()
	return err
}

func (f *fields) details() error {
	if f.Peek() != '{' {
		return f.other("details", "must be an object")
	}
	start := f.Pos()
	if err := f.Skip(0); err != nil {
		return err
	}
	f.flawed("details")
	f.entry.Details = text(f.Since(start))
	return nil
}

// time takes ms for the entry's timestamp.
func (f *fields) time(ms int64) {
	if err := schema.CheckTimestamp("timestamp", ms); err != nil && f.fault == nil {
		f.fault = err
	}
	f.entry.Timestamp = ms
}

// flawed blames the field for what the scanner found in its value.
func (f *fields) flawed(field string) {
	if flaw, key := f.TakeFlaw(); flaw != scan.Sound {
		f.spoilt(field, flaw, key)
	}
}

func (f *fields) spoilt(field string, flaw scan.Flaw, key string) {
	if flaw == scan.Duplicate {
		field += "." + key[:min(len(key), maxShownKeyLen)]
	}
	code, issue := flaw.Issue()
	f.blame(field, code, issue)
}

func (f *fields) blame(field, code, issue string) {
	if f.fault == nil {
		f.fault = &schema.FieldError{Field: f.named(field), Code: code, Issue: issue}
	}
}

// named is the field's whole name, such as user.name or targets[2].id.
func (f *fields) named(field string) string {
	if f.within == "" {
		return field
	}
	whole := f.within
	if f.element > 0 {
		whole += "[" + strconv.Itoa(f.element-1) + "]"
	}
	if field == "" {
		return whole
	}
	return whole + "." + field
}

// finish checks what only the whole entry shows; action is what the dialect calls that.
func (f *fields) finish(action string) {
	if f.fault != nil {
		return
	}
	if f.entry.Action == "" {
		f.fault = schema.Missing(action)
	} else if n := len(f.entry.Details); n > schema.MaxDetailsBytes {
		f.fault = schema.TooLong("details", n, schema.MaxDetailsBytes)
	}
}

// bodyHash tells a repeat of the entry from another entry: of its fields as the client gave them, in whatever dialect. What
// it is of an entry must never change: the consumer compares it with that of entries stored long ago.
func (f *fields) bodyHash() uint64 {
	e := &f.entry
	h := hasher{Digest: xxhash.New()}
	h.texts(e.Action, e.Platform, e.Device, e.ActorName, e.Detail, e.Details)
	h.number(uint64(e.Timestamp))
	if e.ActorID != "" || e.ActorKind != "" || e.RequestID != "" || len(e.Targets) > 0 || e.Extra != (schema.Extra{}) {
		h.texts(e.ActorID, e.ActorKind, e.RequestID, e.Extra.ActorLabel, e.Extra.IPAddress, e.Extra.UserAgent, e.Extra.Layer)
		for _, t := range e.Targets {
			h.texts(t.Type, t.ID, t.Name)
		}
	}
	return h.Sum64()
}

// hasher hashes values so that where one ends counts too.
type hasher struct {
	*xxhash.Digest
	scratch [8]byte
}

func (h *hasher) number(n uint64) {
	binary.LittleEndian.PutUint64(h.scratch[:], n)
	_, _ = h.Write(h.scratch[:])
}

func (h *hasher) texts(values ...string) {
	for _, v := range values {
		h.number(uint64(len(v)))
		_, _ = h.WriteString(v)
	}
}
