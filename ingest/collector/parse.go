package collector

import (
	"bytes"
	"strconv"
	"sync"

	"github.com/activitylog/activitylog/schema"
)

var decoders = sync.Pool{New: func() any { return new(fleetDecoder) }}

// keep gives a decoder back for the next request, unless a large one has made it large.
func keep(d *fleetDecoder) {
	if d.Held()+cap(d.rest)+cap(d.merged) <= keptBuffer {
		decoders.Put(d)
	}
}

// parser decodes a body into a write.
type parser struct {
	d    *fleetDecoder
	w    *write
	keys *keys
	key  string // of the request
	max  int
}

func (p *parser) parse(text []byte, shape form) (single bool, err error) {
	p.d.Reset(text)
	switch c := p.d.Peek(); {
	case shape == lines:
		err = p.lines(text)
	case c == '[':
		err = p.array()
	case c == 0:
		return false, errEmpty
	default:
		return true, p.single()
	}
	switch {
	case err != nil:
		return false, err
	case len(p.w.items) == 0:
		return false, errEmpty
	case p.key != "":
		return false, errBatchKey
	}
	return false, nil
}

var (
	errEmpty    = &schema.FieldError{Field: "body", Code: "REQUIRED", Issue: "must hold an entry"}
	errBatchKey = &schema.FieldError{Field: "Idempotency-Key", Code: "BATCH", Issue: "stands for one entry; give each entry of a batch an event_id"}
	errTwoKeys  = &schema.FieldError{Field: "event_id", Code: "CONFLICT", Issue: "is not the Idempotency-Key"}
	errKeySize  = &schema.FieldError{Field: "Idempotency-Key", Code: "TOO_LARGE", Issue: "at most " + strconv.Itoa(schema.MaxNameBytes) + " bytes", Kind: schema.ErrTooLarge}
)

func (p *parser) single() error {
	if err := p.d.next(p.w.receivedAt); err != nil {
		return err
	}
	if err := p.d.End(); err != nil {
		return &answer{schema.ErrInvalid, err.Error() + "; entries one a line need Content-Type: application/x-ndjson"}
	}
	if p.d.fault == nil && p.key != "" {
		switch {
		case len(p.key) > schema.MaxNameBytes:
			p.d.fault = errKeySize
		case p.d.eventID != "" && p.d.eventID != p.key:
			p.d.fault = errTwoKeys
		}
		p.d.eventID = p.key
	}
	return p.take()
}

func (p *parser) array() error {
	d := p.d
	d.Take('[')
	if d.Take(']') {
		return d.End()
	}
	for more := true; more; {
		if err := d.next(p.w.receivedAt); err != nil {
			return err
		}
		if err := p.take(); err != nil {
			return err
		}
		var err error
		if more, err = d.Next(']'); err != nil {
			return err
		}
	}
	return d.End()
}

// lines decodes one entry a line. A line that is not JSON spoils only itself; empty lines are passed and not counted.
func (p *parser) lines(text []byte) error {
	d := p.d
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		d.Reset(line)
		if d.Peek() == 0 && d.End() == nil {
			continue
		}
		err := d.next(p.w.receivedAt)
		if err == nil {
			err = d.End()
		}
		if err != nil {
			d.fault = err
		}
		if err := p.take(); err != nil {
			return err
		}
	}
	return nil
}

// take puts the decoded entry into the write.
func (p *parser) take() error {
	if len(p.w.items) >= p.max {
		return &schema.FieldError{Field: "body", Code: "TOO_MANY", Issue: "at most " + strconv.Itoa(p.max) + " entries", Kind: schema.ErrTooLarge}
	}
	d := p.d
	if d.fault != nil {
		p.w.reject(d.fault)
		return nil
	}
	var body uint64
	if d.eventID != "" {
		body = d.bodyHash()
	}
	if d.entry.Timestamp == 0 {
		d.entry.Timestamp = p.w.receivedAt
	}
	p.w.add(&d.entry, d.eventID, body, p.keys)
	return nil
}
