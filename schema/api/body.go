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

// BodyError translates err, an error of reading r.Body, into a kind of error: ErrStalled when the body did not arrive in time, ErrLeft when
// the client closed or broke the connection before the end of the body, ErrTooLarge beyond the limit of a http.MaxBytesReader, else
// ErrInvalid. It does not look at the content of the body.
func BodyError(r *http.Request, err error) error {
	fault := &schema.FieldError{Field: "body", Code: "SYNTAX", Issue: "is not framed as HTTP asks for"}
	switch tooLarge := (*http.MaxBytesError)(nil); {
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
