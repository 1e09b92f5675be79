package collector

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"github.com/activitylog/activitylog/ingest/collector/internal/scan"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// door is a dialect's way into the log: all that its endpoints have in common with those of other dialects, which is
// everything but the fields of an entry and the form of an answer.
type door struct {
	c        *Collector
	event    string    // what the dialect calls an event id
	decoders sync.Pool // of decoder
	tally    tally
}

func (c *Collector) door(dialect, event string, decoder func() any) *door {
	return &door{c: c, event: event, decoders: sync.Pool{New: decoder}, tally: c.m.dialects[dialect]}
}

// receipt is what became of a request's entries.
type receipt struct {
	single   bool
	id       uint64   // of a single one
	ids      []uint64 // of the items of a batch; 0: not accepted
	faults   []itemFault
	position string // empty when none was accepted
}

// itemFault is why an item of a batch was not accepted.
type itemFault struct {
	index int
	err   error
}

// take takes in the entries of a request. A receipt beside an error is that of a batch of which nothing was accepted.
func (d *door) take(w http.ResponseWriter, r *http.Request, what takes) (*receipt, error) {
	who, err := schema.PrincipalOf(r.Context())
	if err == nil {
		err = who.Require(schema.ScopeIngest)
	}
	if err != nil {
		return nil, err
	}
	shape, err := formOf(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	wr, err := d.c.begin(who.Tenant)
	if err != nil {
		return nil, err
	}
	defer d.c.end(wr)
	single, err := d.read(w, r, what, shape, wr)
	if err != nil {
		d.c.keys.abort(wr, errAborted)
		return nil, err
	}
	if single && wr.items[0].err != nil {
		return nil, wr.items[0].err
	}
	if err := d.c.publish(r.Context(), wr); err != nil {
		return nil, err
	}
	if single {
		return d.one(&wr.items[0])
	}
	return d.many(wr)
}

// read decodes the request's entries into wr; single is whether it was one object.
func (d *door) read(w http.ResponseWriter, r *http.Request, what takes, shape form, wr *write) (single bool, err error) {
	b, err := d.c.bodies.read(w, r)
	if err != nil {
		return false, err
	}
	defer d.c.bodies.release(b)
	p := parser{
		d: d.decoders.Get().(decoder), w: wr, keys: d.c.keys, event: d.event, takes: what,
		key: r.Header.Get("Idempotency-Key"), max: d.c.cfg.MaxEntries,
	}
	defer d.keep(p.d, b)
	return p.parse(b.text, shape)
}

// keep gives a decoder back for the next request, unless a large one has made it large: its last entry shares b's memory.
func (d *door) keep(dec decoder, b *body) {
	if dec.held() <= keptBuffer && cap(b.text) <= keptBuffer {
		d.decoders.Put(dec)
	}
}

func (d *door) one(it *item) (*receipt, error) {
	id, partition, offset, err := it.result()
	if err != nil {
		return nil, err
	}
	d.tally.accepted.Inc()
	if it.event != nil {
		d.c.m.repeated.Inc()
	}
	return &receipt{single: true, id: id, position: schema.Position{partition: offset}.String()}, nil
}

// many is the receipt of a batch: good items are kept, the others are named by their index.
func (d *door) many(wr *write) (*receipt, error) {
	rc := &receipt{ids: make([]uint64, len(wr.items))}
	position := schema.Position{}
	var worst error
	for i := range wr.items {
		it := &wr.items[i]
		id, partition, offset, err := it.result()
		if err != nil {
			rc.faults = append(rc.faults, itemFault{i, err})
			worst = worse(worst, err)
			continue
		}
		rc.ids[i] = id
		if it.event != nil {
			d.c.m.repeated.Inc()
		}
		if it.event != nil || it.index == 0 {
			position.Add(partition, offset) // of the chunk, once
		}
	}
	rc.position = position.String()
	d.tally.accepted.Add(float64(rc.accepted()))
	d.tally.rejected.Add(float64(len(rc.faults)))
	if rc.accepted() == 0 {
		return rc, worst
	}
	return rc, nil
}

// worse is the error of a batch without an accepted entry: invalid, unless trying again may help.
func worse(a, b error) error {
	switch {
	case api.Status(b) >= http.StatusInternalServerError:
		return b
	case a == nil:
		return errNone
	}
	return a
}

func (rc *receipt) accepted() int { return len(rc.ids) - len(rc.faults) }

// append appends the data of a batch's answer, {"ids":[1,null],"accepted":1,"rejected":1,"errors":[…]}; id appends one of
// the ids, and faults is a list of what the dialect makes of rc's.
func (rc *receipt) append(b []byte, id func([]byte, uint64) []byte, faults any) []byte {
	b = append(b, `{"ids":[`...)
	for i, n := range rc.ids {
		if i > 0 {
			b = append(b, ',')
		}
		if n == 0 {
			b = append(b, "null"...)
		} else {
			b = id(b, n)
		}
	}
	b = strconv.AppendInt(append(b, `],"accepted":`...), int64(rc.accepted()), 10)
	b = strconv.AppendInt(append(b, `,"rejected":`...), int64(len(rc.faults)), 10)
	text, _ := json.Marshal(faults) // of numbers and strings: cannot fail
	return append(append(append(b, `,"errors":`...), text...), '}')
}

// close notes how a request ended and sets the headers of its answer that are the same in every dialect. It returns the
// HTTP status. rc is nil beside most errors.
func (d *door) close(h http.Header, rc *receipt, err error) (status int) {
	status = http.StatusOK
	if err != nil {
		status = api.Status(err)
	}
	d.tally.requests[outcomeOf(status, rc)].Inc()
	if status == http.StatusInternalServerError {
		d.c.log.Error("write", "error", err)
	}
	h.Set("Content-Type", "application/json")
	if after := api.RetryAfter(err); after > 0 {
		h.Set("Retry-After", strconv.Itoa(int(after.Seconds())))
	}
	api.Challenge(h, err)
	if rc != nil && rc.position != "" {
		h.Set(schema.PositionHeader, rc.position)
	}
	return status
}

// send sends an answer whose headers have been set.
func send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func outcomeOf(status int, rc *receipt) string {
	switch status {
	case http.StatusOK:
		if len(rc.faults) > 0 {
			return "partial"
		}
		return "accepted"
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return "rejected"
	case http.StatusUnprocessableEntity:
		return "conflict"
	case http.StatusRequestEntityTooLarge:
		return "too_large"
	case http.StatusTooManyRequests:
		return "limited"
	case http.StatusServiceUnavailable:
		return "unavailable"
	case http.StatusInsufficientStorage:
		return "full"
	case http.StatusUnauthorized, http.StatusForbidden:
		return "denied"
	}
	return "error"
}

// messageOf is what a caller may read of an error.
func messageOf(err error) string {
	var (
		field  *schema.FieldError
		denied *schema.Refusal
		own    *answer
		syntax *scan.SyntaxError
	)
	switch {
	case errors.As(err, &field):
		return field.Error()
	case errors.As(err, &denied):
		return denied.Error()
	case errors.As(err, &own):
		return own.Error()
	case errors.As(err, &syntax):
		return syntax.Error()
	case errors.Is(err, schema.ErrForbidden):
		return "not allowed"
	case errors.Is(err, schema.ErrUnauthenticated):
		return "credentials are missing or wrong"
	}
	return "internal error"
}
