package collector

import (
	"bytes"
	"strconv"

	"github.com/activitylog/activitylog/schema"
)

// decoder reads the entries of one dialect.
type decoder interface {
	common() *fields
	decode() error // the object that is next; an error is a *scan.SyntaxError, after which the text cannot be read on
	held() int     // bytes that it keeps for its next use
}

// parser decodes a body into a write.
type parser struct {
	d     decoder
	f     *fields // of d
	w     *write
	keys  *keys
	key   string // of the request
	event string // what the dialect calls an event id
	takes takes
	max   int
}

// takes is what an endpoint takes.
type takes uint8

const (
	oneOrMany takes = iota
	one             // object
	many            // an array, or one entry a line
)

func (p *parser) parse(text []byte, shape form) (single bool, err error) {
	p.f = p.d.common()
	p.f.Reset(text)
	switch c := p.f.Peek(); {
	case shape == anyJSON && c == 0:
		return false, errEmpty
	case shape == anyJSON && c != '[':
		if p.takes == many {
			return false, errMany
		}
		return true, p.single()
	case p.takes == one:
		return false, errOne
	case shape == lines:
		err = p.lines(text)
	default:
		err = p.array()
	}
	switch {
	case err != nil:
		return false, err
	case len(p.w.items) == 0:
		return false, errEmpty
	case p.key != "":
		return false, &schema.FieldError{Field: "Idempotency-Key", Code: "BATCH", Issue: "stands for one entry; give each entry of a batch an " + p.event}
	}
	return false, nil
}

var (
	errEmpty   = &schema.FieldError{Field: "body", Code: "REQUIRED", Issue: "must hold an entry"}
	errOne     = &schema.FieldError{Field: "body", Code: "BATCH", Issue: "must be one entry; the batch endpoint takes more"}
	errMany    = &schema.FieldError{Field: "body", Code: "TYPE", Issue: "must be an array of entries, or one entry a line with Content-Type: application/x-ndjson"}
	errKeySize = &schema.FieldError{Field: "Idempotency-Key", Code: "TOO_LARGE", Issue: "at most " + strconv.Itoa(schema.MaxNameBytes) + " bytes", Kind: schema.ErrTooLarge}
)

// next decodes what comes next. A fault of the entry is left in p.f.fault; its error is a *scan.SyntaxError.
func (p *parser) next() error {
	f := p.f
	f.begin(p.w.receivedAt)
	if f.Peek() != '{' {
		f.blame("entry", "TYPE", "must be an object")
		return f.pass()
	}
	return p.d.decode()
}

func (p *parser) single() error {
	f := p.f
	if err := p.next(); err != nil {
		return err
	}
	if err := f.End(); err != nil {
		hint := "; entries one a line need Content-Type: application/x-ndjson"
		if p.takes == one {
			hint = "; more entries go to the batch endpoint"
		}
		return &answer{err, err.Error() + hint}
	}
	if f.fault == nil && p.key != "" {
		switch {
		case len(p.key) > schema.MaxNameBytes:
			f.fault = errKeySize
		case f.eventID != "" && f.eventID != p.key:
			f.blame(p.event, "CONFLICT", "is not the Idempotency-Key")
		}
		f.eventID = p.key
	}
	return p.take()
}

func (p *parser) array() error {
	f := p.f
	f.Take('[')
	if f.Take(']') {
		return f.End()
	}
	for more := true; more; {
		if err := p.next(); err != nil {
			return err
		}
		if err := p.take(); err != nil {
			return err
		}
		var err error
		if more, err = f.Next(']'); err != nil {
			return err
		}
	}
	return f.End()
}

// lines decodes one entry a line. A line that is not JSON spoils only itself; empty lines are passed and not counted.
func (p *parser) lines(text []byte) error {
	f := p.f
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		f.Reset(line)
		if f.Peek() == 0 && f.End() == nil {
			continue
		}
		err := p.next()
		if err == nil {
			err = f.End()
		}
		if err != nil {
			f.fault = err
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
	f := p.f
	if f.fault != nil {
		p.w.reject(f.fault)
		return nil
	}
	var body uint64
	if f.eventID != "" {
		body = f.bodyHash()
	}
	if f.entry.Timestamp == 0 {
		f.entry.Timestamp = p.w.receivedAt
	}
	if !p.w.add(&f.entry, f.eventID, body, p.keys) {
		p.w.reject(&schema.FieldError{Field: p.event, Code: "CONFLICT", Issue: "was used for another entry", Kind: schema.ErrConflict})
	}
	return nil
}
