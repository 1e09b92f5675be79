package schema

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// What can be wrong with a request. A function wraps one of these with what it was doing; a dialect dresses the kind in
// its own envelope and status. Any other error is internal: it is logged, and its text is never shown to a caller.
var (
	ErrInvalid         = errors.New("invalid")
	ErrUnauthenticated = errors.New("unauthenticated")
	ErrForbidden       = errors.New("forbidden")
	ErrNotFound        = errors.New("not found")
	ErrTooLarge        = errors.New("too large")
	ErrConflict        = errors.New("conflict") // the same idempotency key with another body
	ErrRateLimited     = errors.New("rate limited")
	ErrUnavailable     = errors.New("unavailable") // a dependency is away or a queue is full; nothing was accepted
	ErrTimeout         = errors.New("timed out")   // the outcome is not known yet; the request may be repeated
	ErrStorageFull     = errors.New("storage full")
	ErrUnsupported     = errors.New("unsupported media type")
)

var statuses = []struct {
	kind   error
	status int
}{
	{ErrTooLarge, http.StatusRequestEntityTooLarge},
	{ErrInvalid, http.StatusBadRequest},
	{ErrUnauthenticated, http.StatusUnauthorized},
	{ErrForbidden, http.StatusForbidden},
	{ErrNotFound, http.StatusNotFound},
	{ErrConflict, http.StatusUnprocessableEntity},
	{ErrRateLimited, http.StatusTooManyRequests},
	{ErrUnavailable, http.StatusServiceUnavailable},
	{ErrTimeout, http.StatusGatewayTimeout},
	{ErrStorageFull, http.StatusInsufficientStorage},
	{ErrUnsupported, http.StatusUnsupportedMediaType},
}

// Status is the HTTP status of err's kind; 500 for an error of no kind.
func Status(err error) int {
	for _, s := range statuses {
		if errors.Is(err, s.kind) {
			return s.status
		}
	}
	return http.StatusInternalServerError
}

// FieldError is a fault of one field of a request. Its text is meant for the caller.
type FieldError struct {
	Field string // as the dialect calls it
	Code  string // one word in capitals, for machines
	Issue string // what was expected
	Kind  error  // ErrInvalid when nil
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Issue }

func (e *FieldError) Unwrap() error {
	if e.Kind == nil {
		return ErrInvalid
	}
	return e.Kind
}

// Missing is the fault of a required field that is absent or empty.
func Missing(field string) error {
	return &FieldError{Field: field, Code: "REQUIRED", Issue: "is required"}
}

// TooLong is the fault of a field of got bytes where limit bytes are allowed.
func TooLong(field string, got, limit int) error {
	return &FieldError{Field: field, Code: "TOO_LARGE", Issue: fmt.Sprintf("at most %d bytes, got %d", limit, got), Kind: ErrTooLarge}
}

// RetryError is an error that says when to try again, for the header Retry-After.
type RetryError struct {
	After time.Duration
	Err   error
}

func (e *RetryError) Error() string { return e.Err.Error() }
func (e *RetryError) Unwrap() error { return e.Err }

// RetryAfter is the time after which the request may be repeated, rounded up to whole seconds;
// 1 s for an ErrUnavailable, ErrRateLimited or ErrStorageFull that does not say, else 0.
func RetryAfter(err error) time.Duration {
	var r *RetryError
	if errors.As(err, &r) {
		return (r.After + time.Second - 1).Truncate(time.Second)
	}
	switch Status(err) {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusInsufficientStorage:
		return time.Second
	}
	return 0
}
