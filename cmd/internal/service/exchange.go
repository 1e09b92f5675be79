package service

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// exchange is a request and the answer to it.
type exchange struct {
	http.ResponseWriter
	request *http.Request
	control *http.ResponseController
	body    *arrival // nil without a body
	limits  limits
	status  int  // of the answer; 0 before it begins
	left    bool // the caller had left before the answer began
}

func newExchange(w http.ResponseWriter, r *http.Request, l limits) *exchange {
	x := &exchange{ResponseWriter: w, request: r, control: http.NewResponseController(w), limits: l}
	if r.Body != nil && r.Body != http.NoBody {
		x.body = newArrival(r, x.control, l)
		own := *r // net/http checks the body of its own request
		own.Body = x.body
		x.request = &own
	}
	if r.ProtoMajor > 1 {
		if c := connOf(r); c != nil {
			c.plain.Store(false)
		}
	}
	return x
}

// Unwrap lets http.ResponseController find what net/http offers.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (x *exchange) WriteHeader(status int) {
	if status >= http.StatusOK {
		x.begin(status)
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) begin(status int) {
	if x.status != 0 {
		return
	}
	x.status, x.left = status, x.gone()
	if x.body != nil && x.request.ProtoMajor == 1 && x.body.tooMuch(status) {
		x.Header().Set("Connection", "close") // answers at once; net/http would first read up to 256 kB
	}
}

// Write sends a part of the answer. Over HTTP/1 the connection sets the deadlines. Over HTTP/2 each request has its own deadline, because a
// client may read one answer and not another.
func (x *exchange) Write(p []byte) (n int, err error) {
	x.begin(http.StatusOK)
	if x.request.ProtoMajor == 1 {
		return x.ResponseWriter.Write(p)
	}
	for err == nil && len(p) > 0 {
		_ = x.control.SetWriteDeadline(time.Now().Add(x.limits.send))
		var sent int
		sent, err = x.ResponseWriter.Write(p[:min(len(p), sendPiece)])
		n, p = n+sent, p[sent:]
	}
	return n, err
}

// FlushError sends what has been written. http.ResponseController calls it.
func (x *exchange) FlushError() error {
	x.begin(http.StatusOK)
	return x.control.Flush()
}

// gone reports whether the caller has left. net/http ends the context of a request whose body has stopped, too.
func (x *exchange) gone() bool {
	return x.request.Context().Err() != nil && (x.body == nil || !x.body.stalled)
}

// outcome returns the status for metrics. Not all of the answer was sent if the handler panicked.
func (x *exchange) outcome(panicked bool) int {
	switch {
	case x.left, x.body != nil && x.body.broken, x.status == 0 && x.gone():
		return api.StatusLeft
	case panicked && !x.gone():
		return http.StatusInternalServerError
	case x.status == 0:
		return http.StatusOK
	}
	return x.status
}

// end tells the connection if a part of the body was not read.
func (x *exchange) end() {
	if x.body == nil || x.body.ended {
		return
	}
	if c := connOf(x.request); c != nil {
		c.unread.Store(true)
	}
}

// measure gives each request its deadlines, and counts it by its outcome.
func (p *Process) measure(m *metrics) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start, panicked := time.Now(), true
			x := newExchange(w, r, p.limits)
			defer func() {
				x.end()
				m.seconds.WithLabelValues(method(r), route(r), strconv.Itoa(x.outcome(panicked))).Observe(time.Since(start).Seconds())
			}()
			next.ServeHTTP(x, x.request)
			panicked = false
		})
	}
}

var (
	errPanicked = errors.New("the handler panicked")
	errBusy     = &schema.Refusal{Kind: schema.ErrUnavailable, Issue: "too many requests at once: try again"}
)

// guard authenticates requests, and refuses some in the envelope of their path: a handler that asks for the principal gets the reason
// instead, and answers it. Those are requests beyond the most at once, which HTTP/2 allows on few connections, and requests whose
// handler panicked before it began to answer.
func (p *Process) guard(authenticate Middleware, most int) Middleware {
	var running atomic.Int64
	return func(next http.Handler) http.Handler {
		authenticated := next
		if authenticate != nil {
			authenticated = authenticate(next)
		}
		refuse := func(w http.ResponseWriter, r *http.Request, why error) {
			next.ServeHTTP(w, r.WithContext(schema.WithRefusal(r.Context(), why)))
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer running.Add(-1)
			defer func() {
				if v := recover(); v != nil {
					p.panicked(w, r, v)
					refuse(w, r, errPanicked)
				}
			}()
			if running.Add(1) > int64(most) {
				refuse(w, r, errBusy)
				return
			}
			authenticated.ServeHTTP(w, r)
		})
	}
}

// recovered answers a panic of a handler that belongs to no dialect with 500, and keeps the process alive.
func (p *Process) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				p.panicked(w, r, v)
				http.Error(w, "internal error", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// panicked logs a panic, and removes the headers that its handler has set. The value is never shown to the caller. If the answer has
// begun, nothing can be added to it: the connection is cut, so that the caller sees that the answer is incomplete.
func (p *Process) panicked(w http.ResponseWriter, r *http.Request, v any) {
	if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares it this way
		panic(v)
	}
	p.Log.Error("handler panicked", "panic", fmt.Sprint(v), "method", r.Method, "route", route(r), "stack", string(debug.Stack()))
	if x, ok := w.(*exchange); ok && x.status != 0 {
		panic(http.ErrAbortHandler)
	}
	for name := range w.Header() {
		if name != "Vary" && !strings.HasPrefix(name, "Access-Control-") { // those were not set by the handler
			delete(w.Header(), name)
		}
	}
}
