package service

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// errStalled means that a body did not arrive in time.
var errStalled = &schema.FieldError{
	Field: "body", Code: "STALLED", Issue: "did not arrive in time", Kind: schema.ErrStalled,
}

// errCut is the error of reading a body that was cut off.
var errCut = &schema.FieldError{
	Field: "body", Code: "STALLED", Issue: "arrived too slowly while memory was short: send it again, faster or in parts", Kind: schema.ErrStalled,
}

// arrival is the body of a request while it arrives. Each piece that arrives extends its deadline. So a slow client is served to the end,
// and the service does not wait for a client that has stopped.
type arrival struct {
	io.ReadCloser
	request *http.Request
	control *http.ResponseController
	limits  limits
	latest  time.Time
	piece   int   // bytes since the deadline was set
	left    int64 // bytes of the announced length that have not arrived; negative if no length was announced
	stalled bool
	broken  bool // the client ended the request or its connection before the end of the body

	mu    sync.Mutex // guards the deadline, and what follows
	ended bool
	cut   bool
}

func newArrival(r *http.Request, control *http.ResponseController, l limits) *arrival {
	a := &arrival{ReadCloser: r.Body, request: r, control: control, limits: l, latest: time.Now().Add(l.whole), left: r.ContentLength}
	a.extend()
	return a
}

// extend sets the deadline of the next piece. It is not called after the end of the body: net/http then watches the connection, and a
// passed deadline would look like a client that has left.
func (a *arrival) extend() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.piece = 0; a.cut {
		return
	}
	deadline := time.Now().Add(a.limits.arrive)
	if deadline.After(a.latest) {
		deadline = a.latest
	}
	_ = a.control.SetReadDeadline(deadline) // a recorder in a test has none
}

// Cut ends the arrival, because another request needs the memory that the body holds. A body that has arrived is left alone.
func (a *arrival) Cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return
	}
	a.cut = true
	_ = a.control.SetReadDeadline(time.Unix(1, 0))
}

// stall is the error of a body whose deadline has passed.
func (a *arrival) stall() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cut {
		return errCut
	}
	return errStalled
}

func (a *arrival) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	a.piece += n
	a.left -= int64(n)
	switch {
	case err == nil && a.piece >= arrivePiece:
		a.extend()
	case errors.Is(err, io.EOF):
		a.mu.Lock()
		a.ended = true
		a.mu.Unlock()
	case errors.Is(err, os.ErrDeadlineExceeded):
		a.stalled, err = true, a.stall()
	case err != nil:
		a.broken = errors.Is(api.BodyError(a.request, err), schema.ErrLeft)
	}
	return n, err
}

// tooMuch reports whether the rest of the body is too large to read it for the sake of the next request on the connection.
func (a *arrival) tooMuch(status int) bool {
	refused := status == http.StatusRequestEntityTooLarge || status == http.StatusRequestTimeout
	return !a.ended && (refused || a.left > arrivePiece)
}
