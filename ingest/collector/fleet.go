package collector

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/ingest/collector/internal/scan"
	"github.com/activitylog/activitylog/schema"
)

// fleet is the dialect of POST /api/v1/activity_log: snake_case fields, timestamps in Unix seconds (from 1e11 on in
// milliseconds), every reply an envelope {"code","message","data"} whose code is the HTTP status and two digits.
type fleet struct{ c *Collector }

func (f *fleet) routes(r chi.Router) {
	r.Post("/api/v1/activity_log", f.handle(f.post))
}

// post takes one entry, an array of entries, or one a line.
func (f *fleet) post(w http.ResponseWriter, r *http.Request) (*reply, error) {
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
	wr, err := f.c.begin(who.Tenant)
	if err != nil {
		return nil, err
	}
	defer f.c.end(wr)
	single, err := f.read(w, r, shape, wr)
	if err != nil {
		f.c.keys.abort(wr, errAborted)
		return nil, err
	}
	if single && wr.items[0].err != nil {
		return nil, wr.items[0].err
	}
	if err := f.c.publish(r.Context(), wr); err != nil {
		return nil, err
	}
	if single {
		return f.one(&wr.items[0])
	}
	return f.many(wr)
}

// read decodes the request's entries into wr; single is whether it was one object.
func (f *fleet) read(w http.ResponseWriter, r *http.Request, shape form, wr *write) (single bool, err error) {
	b, err := f.c.bodies.read(w, r)
	if err != nil {
		return false, err
	}
	defer f.c.bodies.release(b)
	p := parser{d: decoders.Get().(*fleetDecoder), w: wr, keys: f.c.keys, key: r.Header.Get("Idempotency-Key"), max: f.c.cfg.MaxEntries}
	defer keep(p.d)
	return p.parse(b.text, shape)
}

func (f *fleet) one(it *item) (*reply, error) {
	id, partition, offset, err := it.result()
	if err != nil {
		return nil, err
	}
	f.c.m.accepted.Inc()
	if it.event != nil {
		f.c.m.repeated.Inc()
	}
	data := strconv.AppendUint(append(make([]byte, 0, 32), `{"id":`...), id, 10)
	return &reply{data: append(data, '}'), position: schema.Position{partition: offset}.String(), outcome: "accepted"}, nil
}

// many answers a batch: good items are kept, the others are reported by their index.
func (f *fleet) many(wr *write) (*reply, error) {
	data := batchData{ids: make([]uint64, len(wr.items)), Errors: []itemError{}}
	position := schema.Position{}
	var worst error
	for i := range wr.items {
		it := &wr.items[i]
		id, partition, offset, err := it.result()
		if err != nil {
			data.Errors = append(data.Errors, itemError{i, codeOf(err), messageOf(err)})
			worst = worse(worst, err)
			continue
		}
		data.ids[i] = id
		if it.event != nil {
			f.c.m.repeated.Inc()
		}
		if it.event != nil || it.index == 0 {
			position.Add(partition, offset) // of the chunk, once
		}
	}
	rejected := len(data.Errors)
	accepted := len(wr.items) - rejected
	f.c.m.accepted.Add(float64(accepted))
	f.c.m.rejected.Add(float64(rejected))
	r := &reply{outcome: "accepted", position: position.String()}
	if rejected > 0 {
		r.outcome = "partial"
	}
	r.data = data.append(make([]byte, 0, 64+12*len(wr.items)), accepted)
	if accepted == 0 {
		return r, worst
	}
	return r, nil
}

// worse is the error of a batch without an accepted entry: invalid, unless trying again may help.
func worse(a, b error) error {
	switch {
	case schema.Status(b) >= http.StatusInternalServerError:
		return b
	case a == nil:
		return errNone
	}
	return a
}

// success is the message of every reply without an error.
const success = "success"

// reply is what goes into an envelope.
type reply struct {
	data     []byte // JSON; empty: null
	position string
	outcome  string
}

// batchData is the data of a batch's reply: {"ids":[1,null],"accepted":1,"rejected":1,"errors":[…]}.
type batchData struct {
	ids    []uint64 // 0: rejected
	Errors []itemError
}

type itemError struct {
	Index   int    `json:"index"`
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (d *batchData) append(b []byte, accepted int) []byte {
	b = append(b, `{"ids":[`...)
	for i, id := range d.ids {
		if i > 0 {
			b = append(b, ',')
		}
		if id == 0 {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendUint(b, id, 10)
		}
	}
	b = strconv.AppendInt(append(b, `],"accepted":`...), int64(accepted), 10)
	b = strconv.AppendInt(append(b, `,"rejected":`...), int64(len(d.ids)-accepted), 10)
	errs, _ := json.Marshal(d.Errors) // of numbers and strings: cannot fail
	return append(append(append(b, `,"errors":`...), errs...), '}')
}

// handle puts an endpoint's answer or error into the envelope. A reply beside an error is the data of that error.
func (f *fleet) handle(endpoint func(http.ResponseWriter, *http.Request) (*reply, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rep, err := endpoint(w, r)
		if rep == nil {
			rep = new(reply)
		}
		status, code, message := http.StatusOK, 0, success
		if err != nil {
			status, code, message = schema.Status(err), codeOf(err), messageOf(err)
			rep.outcome = outcomeOf(status)
			setRetryAfter(w, err)
			schema.Challenge(w.Header(), err)
		}
		if status == http.StatusInternalServerError {
			f.c.log.Error("write", "error", err)
		}
		if f.c.cfg.FleetAlways200 {
			status = http.StatusOK
		}
		f.c.m.requests[rep.outcome].Inc()
		rep.send(w, status, code, message)
	}
}

func setRetryAfter(w http.ResponseWriter, err error) {
	if after := schema.RetryAfter(err); after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(after.Seconds())))
	}
}

// send writes {"code":…,"message":…,"data":…}.
func (rep *reply) send(w http.ResponseWriter, status, code int, message string) {
	b := strconv.AppendInt(append(make([]byte, 0, 96+len(message)+len(rep.data)), `{"code":`...), int64(code), 10)
	b = append(b, `,"message":`...)
	if message == success {
		b = append(b, `"`+success+`"`...)
	} else {
		text, _ := json.Marshal(message) // of a string: cannot fail
		b = append(b, text...)
	}
	b = append(b, `,"data":`...)
	if len(rep.data) == 0 {
		b = append(b, "null"...)
	}
	b = append(append(b, rep.data...), '}')
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	if rep.position != "" {
		h.Set(schema.PositionHeader, rep.position)
	}
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

func outcomeOf(status int) string {
	switch status {
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

// codeOf is the dialect's code of an error: the HTTP status and 01.
func codeOf(err error) int { return schema.Status(err)*100 + 1 }

// messageOf is what a caller may read of an error.
func messageOf(err error) string {
	var (
		field  *schema.FieldError
		denied *schema.Refusal
		syntax *scan.SyntaxError
		own    *answer
	)
	switch {
	case errors.As(err, &field):
		return field.Error()
	case errors.As(err, &denied):
		return denied.Error()
	case errors.As(err, &syntax):
		return syntax.Error()
	case errors.As(err, &own):
		return own.Error()
	case errors.Is(err, schema.ErrForbidden):
		return "not allowed"
	case errors.Is(err, schema.ErrUnauthenticated):
		return "credentials are missing or wrong"
	}
	return "internal error"
}
