package collector

import (
	"encoding/binary"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"github.com/activitylog/activitylog/ingest/collector/internal/scan"
	"github.com/activitylog/activitylog/schema"
)

// Bounds of the fleet dialect's timestamp. From fleetMillis on it is Unix milliseconds, below it seconds. The seconds of
// the year 9999, which several platforms send for "no date", would pass as milliseconds of January 1978: they are refused.
const (
	fleetMillis    = 100_000_000_000
	year9999Start  = 253_370_764_800
	year9999End    = 253_402_300_799
	maxShownKeyLen = 64
)

// The keys of a fleet entry, as bits.
const (
	keyPlatform = 1 << iota
	keySerial
	keyAction
	keyDetail
	keyUsername
	keyTimestamp
	keyDetails
	keyEventID
)

// fleetDecoder decodes one entry after the other. The entry's strings share the memory of the text, or of the decoder
// until the next entry.
type fleetDecoder struct {
	scan.Scanner
	entry   schema.Entry
	eventID string
	fault   error // the first one of the entry

	checker scan.Scanner // for details that were put together
	rest    []byte       // members with unknown keys, as sent
	merged  []byte
}

// text makes a string of b without copying: see fleetDecoder for how long it holds.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// next decodes the object that comes next in the text. A fault of the entry is left in d.fault; the error that it returns
// is a *scan.SyntaxError, after which the rest of the text cannot be read.
func (d *fleetDecoder) next(receivedAt int64) error {
	d.entry, d.eventID, d.fault, d.rest = schema.Entry{ReceivedAt: receivedAt}, "", nil, d.rest[:0]
	d.Forget()
	if d.Peek() != '{' {
		d.blame("entry", "TYPE", "must be an object")
		err := d.Skip(0)
		d.TakeFlaw()
		return err
	}
	if err := d.members(); err != nil {
		return err
	}
	d.finish()
	return nil
}

func (d *fleetDecoder) members() error {
	d.Take('{')
	if d.Take('}') {
		return nil
	}
	seen := 0
	for more := true; more; {
		start := d.Pos()
		key, err := d.Key()
		if err != nil {
			return err
		}
		bit := keyBit(key)
		if bit != 0 && seen&bit != 0 {
			d.blame(string(key), "DUPLICATE", "must not be given twice")
		}
		seen |= bit
		if err = d.member(bit, key, start); err != nil {
			return err
		}
		if more, err = d.Next('}'); err != nil {
			return err
		}
	}
	return nil
}

func keyBit(key []byte) int {
	switch string(key) {
	case "platform":
		return keyPlatform
	case "serial":
		return keySerial
	case "action_type":
		return keyAction
	case "action_detail":
		return keyDetail
	case "username":
		return keyUsername
	case "timestamp":
		return keyTimestamp
	case "details":
		return keyDetails
	case "event_id":
		return keyEventID
	}
	return 0
}

// member reads the value of a key; start is where the key began.
func (d *fleetDecoder) member(bit int, key []byte, start int) error {
	switch bit {
	case 0:
		return d.unknown(key, start)
	case keyPlatform:
		return d.string("platform", &d.entry.Platform, schema.MaxNameBytes)
	case keySerial:
		return d.string("serial", &d.entry.Device, schema.MaxNameBytes)
	case keyAction:
		return d.string("action_type", &d.entry.Action, schema.MaxNameBytes)
	case keyDetail:
		return d.string("action_detail", &d.entry.Detail, schema.MaxDetailBytes)
	case keyUsername:
		return d.string("username", &d.entry.ActorName, schema.MaxNameBytes)
	case keyEventID:
		return d.string("event_id", &d.eventID, schema.MaxNameBytes)
	case keyTimestamp:
		return d.timestamp()
	default:
		return d.details()
	}
}

func (d *fleetDecoder) string(field string, to *string, maxBytes int) error {
	if d.Peek() != '"' {
		return d.other(field, "must be a string")
	}
	value, err := d.String()
	if err != nil {
		return err
	}
	d.flawed(field)
	if len(value) > maxBytes && d.fault == nil {
		d.fault = schema.TooLong(field, len(value), maxBytes)
	}
	*to = text(value)
	return nil
}

// other passes a value of another type than the field's; null stands for a field that was left out.
func (d *fleetDecoder) other(field, want string) error {
	if null, err := d.Null(); null || err != nil {
		return err
	}
	d.blame(field, "TYPE", want)
	err := d.Skip(0)
	d.TakeFlaw()
	return err
}

func (d *fleetDecoder) timestamp() error {
	if c := d.Peek(); c != '-' && c-'0' > 9 {
		return d.other("timestamp", "must be an integer")
	}
	n, ok, err := d.Integer()
	if err != nil {
		return err
	}
	ms := n
	switch {
	case !ok:
		d.blame("timestamp", "TYPE", "must be an integer of Unix seconds or milliseconds")
		return nil
	case n < fleetMillis && n > -fleetMillis:
		ms = n * 1000
	case n >= year9999Start && n <= year9999End:
		ms = 0
	}
	if err := schema.CheckTimestamp("timestamp", ms); err != nil && d.fault == nil {
		d.fault = err
	}
	d.entry.Timestamp = ms
	return nil
}

func (d *fleetDecoder) details() error {
	if d.Peek() != '{' {
		return d.other("details", "must be an object")
	}
	start := d.Pos()
	if err := d.Skip(0); err != nil {
		return err
	}
	d.flawed("details")
	d.entry.Details = text(d.Since(start))
	return nil
}

// unknown keeps a member that the dialect has no field for, as it was sent.
func (d *fleetDecoder) unknown(key []byte, start int) error {
	name := string(key[:min(len(key), maxShownKeyLen)])
	d.flawed("key")
	if err := d.Skip(1); err != nil {
		return err
	}
	d.flawed(name)
	if len(d.rest) > 0 {
		d.rest = append(d.rest, ',')
	}
	d.rest = append(d.rest, d.Since(start)...)
	return nil
}

// flawed blames the field for what the scanner found in its value.
func (d *fleetDecoder) flawed(field string) {
	flaw, key := d.TakeFlaw()
	if flaw == scan.Sound {
		return
	}
	if flaw == scan.Duplicate {
		field += "." + key[:min(len(key), maxShownKeyLen)]
	}
	code, issue := flaw.Issue()
	d.blame(field, code, issue)
}

func (d *fleetDecoder) blame(field, code, issue string) {
	if d.fault == nil {
		d.fault = &schema.FieldError{Field: field, Code: code, Issue: issue}
	}
}

// finish checks what only the whole entry shows.
func (d *fleetDecoder) finish() {
	e := &d.entry
	if len(d.rest) > 0 {
		d.merge()
	}
	if d.fault != nil {
		return
	}
	if e.Action == "" {
		d.fault = schema.Missing("action_type")
	} else if len(e.Details) > schema.MaxDetailsBytes {
		d.fault = schema.TooLong("details", len(e.Details), schema.MaxDetailsBytes)
	}
}

// merge puts the members with unknown keys behind those of details. A key that is in both is refused, because neither
// value may win.
func (d *fleetDecoder) merge() {
	d.merged = append(d.merged[:0], '{')
	if old := d.entry.Details; old != "" {
		d.merged = append(d.merged, old[1:len(old)-1]...)
		if d.checker.Reset([]byte(old)); d.checker.Take('{') && !d.checker.Take('}') {
			d.merged = append(d.merged, ',')
		}
	}
	d.merged = append(append(d.merged, d.rest...), '}')
	d.checker.Reset(d.merged)
	if err := d.checker.Skip(0); err != nil {
		d.blame("details", "DEPTH", "nested too deeply")
	}
	if flaw, key := d.checker.TakeFlaw(); flaw != scan.Sound {
		code, issue := flaw.Issue()
		d.blame("details."+key[:min(len(key), maxShownKeyLen)], code, issue)
	}
	d.entry.Details = text(d.merged)
}

// bodyHash tells a repeat of the entry from another entry: of its fields as the client gave them.
func (d *fleetDecoder) bodyHash() uint64 {
	e := &d.entry
	h := xxhash.New()
	var n [8]byte
	for _, v := range [...]string{e.Action, e.Platform, e.Device, e.ActorName, e.Detail, e.Details} {
		binary.LittleEndian.PutUint64(n[:], uint64(len(v)))
		_, _ = h.Write(n[:])
		_, _ = h.WriteString(v)
	}
	binary.LittleEndian.PutUint64(n[:], uint64(e.Timestamp))
	_, _ = h.Write(n[:])
	return h.Sum64()
}
