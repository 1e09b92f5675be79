package decode

import (
	"encoding/binary"
	"strconv"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"github.com/activitylog/activitylog/ingest/collector/internal/decode/scan"
	"github.com/activitylog/activitylog/schema"
)

// fields is the part that the decoders of all dialects share: a scanner, the entry that is being read, and its first fault.
// The entry's strings share the memory of the text or of the scanner. They are valid until the next entry.
type fields struct {
	scan.Scanner
	entry   schema.Entry
	eventID string
	fault   error // the first one of the entry

	within  string // the member that is being read, if it is an object or an array of objects
	element int    // of within, counted from 1; 0 if it is not an array
}

const maxShownKeyLen = 64

// text makes a string of b without a copy: see fields for how long it is valid.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// shown returns the part of a key that a fault shows.
func shown(key []byte) string { return string(key[:min(len(key), maxShownKeyLen)]) }

// begin drops the previous entry.
func (f *fields) begin(receivedAt int64) {
	f.entry, f.eventID, f.fault = schema.Entry{ReceivedAt: receivedAt}, "", nil
	f.within, f.element = "", 0
	f.Forget()
}

// object is the position within an object. The zero value is before it.
type object struct {
	start int // of the present key
	seen  uint32
	in    bool
}

// next returns the key of o's next member; more is false when there is none.
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

// once reports a fault if the object already had a member with the bit of this key.
func (f *fields) once(o *object, bit uint32, key []byte) {
	if o.seen&bit != 0 {
		f.twice(key)
	}
	o.seen |= bit
}

func (f *fields) twice(key []byte) { f.blame(string(key), "DUPLICATE", "must not be given twice") }

func (f *fields) string(field string, to *string, maxBytes int) error {
	return f.value(field, to, maxBytes, scan.Surrogate)
}

// key reads an event id. Half of a surrogate pair is a fault there: as U+FFFD it would make one id of two, and the second entry
// would not be stored.
func (f *fields) key(field string) error {
	return f.value(field, &f.eventID, schema.MaxNameBytes, scan.Sound)
}

// value reads a string. mildest is the worst flaw that is not a fault.
func (f *fields) value(field string, to *string, maxBytes int, mildest scan.Flaw) error {
	if f.Peek() != '"' {
		return f.wrongType(field, "must be a string")
	}
	value, err := f.String()
	if err != nil {
		return err
	}
	f.flawed(field, mildest)
	if len(value) > maxBytes && f.fault == nil {
		f.fault = schema.TooLong(f.named(field), len(value), maxBytes)
	}
	*to = text(value)
	return nil
}

func (f *fields) name(field string, to *string) error {
	return f.string(field, to, schema.MaxNameBytes)
}

// wrongType skips a value that is not of the field's type. That is a fault, but null stands for a field that was left out.
func (f *fields) wrongType(field, want string) error {
	if null, err := f.Null(); null || err != nil {
		return err
	}
	f.blame(field, "TYPE", want)
	return f.ignore()
}

// ignore skips a value and its flaws.
func (f *fields) ignore() error {
	err := f.Skip(0)
	f.TakeFlaw()
	return err
}

func (f *fields) details() error {
	if f.Peek() != '{' {
		return f.wrongType("details", "must be an object")
	}
	start := f.Pos()
	if err := f.Skip(0); err != nil {
		return err
	}
	f.flawed("details", scan.Surrogate)
	f.entry.Details = text(f.Since(start))
	return nil
}

// flawed faults the field for the flaw that the scanner found in its value, if it is worse than the mildest one.
func (f *fields) flawed(field string, mildest scan.Flaw) {
	if flaw, key := f.TakeFlaw(); flaw > mildest {
		f.blameFlaw(field, flaw, key)
	}
}

func (f *fields) blameFlaw(field string, flaw scan.Flaw, key string) {
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

// named returns the full name of a field, such as user.name or targets[2].id.
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

// finish checks the complete entry. action is the dialect's name of that field.
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

// bodyHash distinguishes a repeat of the entry from another entry. It is a hash of the fields as the client gave them, and the same in
// every dialect. The hash of an entry must never change: the consumer compares it with hashes stored long ago.
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

// hasher hashes values together with their lengths, so that the boundary between two values counts.
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
