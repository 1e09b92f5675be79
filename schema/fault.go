package schema

import (
	"errors"
	"fmt"
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
	ErrMisdirected     = errors.New("misdirected") // the request names a host that is not this service
	ErrStalled         = errors.New("stalled")     // the body stopped coming
)

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

// Refusal is why a request's credentials do not do, in words that are meant for the caller.
type Refusal struct {
	Kind    error  // ErrUnauthenticated, ErrForbidden, ErrUnavailable or ErrRateLimited
	Issue   string // of printable ASCII, without a quote or a backslash
	Invalid bool   // there were credentials, and they are no good
}

func (r *Refusal) Error() string { return r.Issue }
func (r *Refusal) Unwrap() error { return r.Kind }
