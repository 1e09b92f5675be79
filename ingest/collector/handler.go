package collector

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"github.com/activitylog/activitylog/ingest/collector/internal/decode"
	"github.com/activitylog/activitylog/ingest/collector/internal/decode/scan"
	"github.com/activitylog/activitylog/ingest/collector/internal/publish"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// handler is the part of a write that all dialects share. A dialect adds a decoder of its fields and the form of its
// responses.
type handler struct {
	c       *Collector
	count   counters
	sources sync.Pool // of *source
}

func (c *Collector) handler(dialect string, reader func() *decode.Reader) *handler {
	h := &handler{c: c, count: c.m.dialects[dialect]}
	h.sources.New = func() any { return &source{Reader: reader(), h: h} }
	return h
}

// write publishes the entries of a request. It returns both a result and an error for a batch without an accepted entry.
func (h *handler) write(r *http.Request, takes decode.Takes) (*publish.Result, error) {
	who, err := schema.PrincipalOf(r.Context())
	if err == nil {
		err = who.Require(schema.ScopeIngest)
	}
	if err != nil {
		return nil, err
	}
	form, err := decode.FormOf(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	if err := h.c.publisher.Available(); err != nil { // before the body: there is no need to read it
		return nil, err
	}
	o := decode.Options{
		Form: form, Takes: takes, Key: r.Header.Get("Idempotency-Key"),
		MaxEntries: h.c.cfg.MaxEntries, ReceivedAt: h.c.cfg.Now().UnixMilli(),
	}
	src, err := h.open(r, o)
	if err != nil {
		return nil, err
	}
	ctx := context.WithoutCancel(r.Context()) // a write is finished also if its caller leaves
	res, err := h.c.publisher.Publish(ctx, publish.Request{
		Tenant: who.Tenant, ReceivedAt: o.ReceivedAt, Entries: src, Single: src.Single(), EventField: src.EventField(),
	})
	if res != nil {
		h.count.accepted.Add(float64(res.Accepted()))
		h.count.rejected.Add(float64(len(res.Faults)))
	}
	return res, err
}

// source reads entries from a request's body. Its memory is reused after Close.
type source struct {
	*decode.Reader
	body *body
	h    *handler
}

// open reads the whole body. Publish closes the source.
func (h *handler) open(r *http.Request, o decode.Options) (*source, error) {
	b, err := h.c.bodies.read(r)
	if err != nil {
		return nil, err
	}
	s := h.sources.Get().(*source)
	s.body = b
	s.Reset(b.text, o)
	return s, nil
}

// Close releases the memory of the body. It returns the error that ended the entries early, if there was one.
func (s *source) Close() error {
	err, h := s.Err(), s.h
	small := s.Held() <= keptBuffer && cap(s.body.text) <= keptBuffer // a large one goes to the garbage collector
	h.c.bodies.release(s.body)
	s.body = nil
	if small {
		h.sources.Put(s)
	}
	return err
}

// finish counts a request and sets the response headers that every dialect has. It returns the HTTP status. res is nil
// beside most errors.
func (h *handler) finish(header http.Header, res *publish.Result, err error) (status int) {
	status = http.StatusOK
	if err != nil {
		status = api.Status(err)
	}
	counted := status
	if errors.Is(err, schema.ErrLeft) {
		counted = api.StatusLeft
	}
	h.count.requests[outcomeOf(counted, res)].Inc()
	if status == http.StatusInternalServerError {
		h.c.log.Error("write failed", "error", err)
	}
	header.Set("Content-Type", "application/json")
	if after := api.RetryAfter(err); after > 0 {
		header.Set("Retry-After", strconv.Itoa(int(after.Seconds())))
	}
	api.Challenge(header, err)
	if res != nil && res.Position != "" {
		header.Set(schema.PositionHeader, res.Position)
	}
	return status
}

// send sends a response whose headers have been set.
func send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// appendBatch appends the data of a batch's response, {"ids":[1,null],"accepted":1,"rejected":1,"errors":[…]}. id appends
// one id; faults is res.Faults as the dialect shows them.
func appendBatch(b []byte, res *publish.Result, id func([]byte, uint64) []byte, faults any) []byte {
	b = append(b, `{"ids":[`...)
	for i, n := range res.IDs {
		if i > 0 {
			b = append(b, ',')
		}
		if n == 0 {
			b = append(b, "null"...)
		} else {
			b = id(b, n)
		}
	}
	b = strconv.AppendInt(append(b, `],"accepted":`...), int64(res.Accepted()), 10)
	b = strconv.AppendInt(append(b, `,"rejected":`...), int64(len(res.Faults)), 10)
	text, _ := json.Marshal(faults) // of numbers and strings: cannot fail
	return append(append(append(b, `,"errors":`...), text...), '}')
}

func outcomeOf(status int, res *publish.Result) string {
	switch status {
	case http.StatusOK:
		if len(res.Faults) > 0 {
			return "partial"
		}
		return "accepted"
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return "rejected"
	case http.StatusUnprocessableEntity:
		return "conflict"
	case http.StatusRequestEntityTooLarge:
		return "too_large"
	case http.StatusRequestTimeout:
		return "stalled"
	case api.StatusLeft:
		return "left"
	case http.StatusTooManyRequests:
		return "limited"
	case http.StatusServiceUnavailable:
		return "unavailable"
	case http.StatusGatewayTimeout:
		return "unknown"
	case http.StatusInsufficientStorage:
		return "full"
	case http.StatusUnauthorized, http.StatusForbidden:
		return "denied"
	}
	return "error"
}

// messageOf returns the part of an error's text that callers may read.
func messageOf(err error) string {
	var (
		field  *schema.FieldError
		denied *schema.Refusal
		public *publish.Error
		syntax *scan.SyntaxError
	)
	switch {
	case errors.As(err, &field):
		return field.Error()
	case errors.As(err, &denied):
		return denied.Error()
	case errors.As(err, &public):
		return public.Error()
	case errors.As(err, &syntax):
		return syntax.Error()
	case errors.Is(err, schema.ErrForbidden):
		return "not allowed"
	case errors.Is(err, schema.ErrUnauthenticated):
		return "credentials are missing or wrong"
	}
	return "internal error"
}
