package schema

import (
	"errors"
	"fmt"
	"time"
)

// The kinds of errors that a caller may see. A function wraps one of them with what it was doing; package api maps the kind to an
// HTTP status, and each dialect writes it in its own format. Any other error is internal: it is logged, and its text is never
// shown to a caller.
var (
	ErrInvalid         = errors.New("invalid")
	ErrUnauthenticated = errors.New("unauthenticated")
	ErrForbidden       = errors.New("forbidden")
	ErrNotFound        = errors.New("not found")
	ErrTooLarge        = errors.New("too large")
	ErrConflict        = errors.New("conflict") // the same idempotency key with another body
	ErrRateLimited     = errors.New("rate limited")
	ErrUnavailable     = errors.New("unavailable") // a dependency is unavailable or a queue is full
	ErrTimeout         = errors.New("timed out")   // the outcome is not known; the request may be repeated
	ErrStorageFull     = errors.New("storage full")
	ErrUnsupported     = errors.New("unsupported media type")
	ErrMisdirected     = errors.New("misdirected") // the request names a host that is not this service
	ErrStalled         = errors.New("stalled")     // the request's body stopped arriving
	ErrLeft            = errors.New("left")        // the client ended the request or its connection too early
)

// FieldError says what is wrong with one field of a request. Its text is written for the caller.
type FieldError struct {
	Field string // its name in the dialect
	Code  string // one word in capitals, for programs
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

// Missing returns the error for a required field that is absent or empty.
func Missing(field string) error {
	return &FieldError{Field: field, Code: "REQUIRED", Issue: "is required"}
}

// TooLong returns the error for a field of got bytes where limit bytes are allowed.
func TooLong(field string, got, limit int) error {
	return &FieldError{Field: field, Code: "TOO_LARGE", Issue: fmt.Sprintf("at most %d bytes, got %d", limit, got), Kind: ErrTooLarge}
}

// RetryError is an error with the time after which a retry makes sense, for the header Retry-After.
type RetryError struct {
	After time.Duration
	Err   error
}

func (e *RetryError) Error() string { return e.Err.Error() }
func (e *RetryError) Unwrap() error { return e.Err }

// Refusal says why a request's credentials are not accepted. Its text is written for the caller.
type Refusal struct {
	Kind    error  // ErrUnauthenticated, ErrForbidden, ErrUnavailable or ErrRateLimited
	Issue   string // printable ASCII without quotes and backslashes
	Invalid bool   // credentials were sent, but they are invalid
}

func (r *Refusal) Error() string { return r.Issue }
func (r *Refusal) Unwrap() error { return r.Kind }
