package publish

import (
	"math/rand/v2"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// Error is an error whose text is meant for the caller.
type Error struct {
	Kind error // one of schema's
	Text string
}

func (e *Error) Error() string { return e.Text }
func (e *Error) Unwrap() error { return e.Kind }

// ErrBusy refuses a request because too much is in memory already.
var ErrBusy = &Error{schema.ErrUnavailable, "too much is waiting to be written, nothing was accepted: try again"}

// Why a write was refused, or its outcome is not known.
var (
	errUnavailable  = &Error{schema.ErrUnavailable, "the log is not available, nothing was accepted: try again"}
	errShuttingDown = &Error{schema.ErrUnavailable, "shutting down, nothing was accepted: try again"}
	errUnknown      = &Error{schema.ErrUnavailable, "the log has not answered in time: the write may still be kept; repeating it is safe with an Idempotency-Key or an event id"}
	errDiskFull     = &Error{schema.ErrStorageFull, "the log's storage is full, nothing was accepted"}
	errTooLarge     = &Error{schema.ErrTooLarge, "larger than the log takes"}
	errNoneAccepted = &Error{schema.ErrInvalid, "no entry was accepted"}
	errRateLimited  = &Error{schema.ErrRateLimited, "too many entries"}
	errAborted      = &Error{schema.ErrUnavailable, "the first request with this key was not accepted: try again"}
	errFirstPending = &Error{schema.ErrUnavailable, "the first request with this key is still being written: try again"}
)

// RetryLater adds to err when to try again: 1 to 3 s, spread so that callers who were refused together do not return together.
func RetryLater(err error) error {
	return &schema.RetryError{After: time.Second + rand.N(2*time.Second), Err: err}
}
