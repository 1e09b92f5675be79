package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/activitylog/activitylog/schema"
)

// Cuttable is a request's body whose arrival can be ended from another goroutine while it is read: reading it then fails with
// ErrStalled.
type Cuttable interface{ Cut() }

// BodyError says what it means that reading r's body failed with err, an error of r.Body: ErrStalled when the body did not arrive in
// time, ErrLeft when the client closed or broke the connection before the end of the body, ErrTooLarge beyond the limit of a
// http.MaxBytesReader, else ErrInvalid. What the body holds has no part in it.
func BodyError(r *http.Request, err error) error {
	fault := &schema.FieldError{Field: "body", Code: "SYNTAX", Issue: "is not framed as HTTP asks for"}
	var known *schema.FieldError
	switch tooLarge := (*http.MaxBytesError)(nil); {
	case errors.As(err, &known) && errors.Is(known, schema.ErrStalled):
		return known
	case errors.As(err, &tooLarge):
		return &schema.FieldError{Field: "body", Code: "TOO_LARGE", Issue: "is too large", Kind: schema.ErrTooLarge}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, schema.ErrStalled):
		fault.Code, fault.Issue, fault.Kind = "STALLED", "did not arrive in time", schema.ErrStalled
	case left(r, err):
		fault.Code, fault.Issue, fault.Kind = "LEFT", "ends before its end", schema.ErrLeft
	}
	return fault
}

// left reports whether a body ended because the client has left. Over HTTP/2 only the request's context shows that.
func left(r *http.Request, err error) bool {
	var broken *net.OpError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &broken) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.Canceled) || errors.Is(r.Context().Err(), context.Canceled)
}
