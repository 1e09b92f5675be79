package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/activitylog/activitylog/schema"
)

var statuses = []struct {
	kind   error
	status int
}{
	{schema.ErrTooLarge, http.StatusRequestEntityTooLarge},
	{schema.ErrInvalid, http.StatusBadRequest},
	{schema.ErrUnauthenticated, http.StatusUnauthorized},
	{schema.ErrForbidden, http.StatusForbidden},
	{schema.ErrNotFound, http.StatusNotFound},
	{schema.ErrConflict, http.StatusUnprocessableEntity},
	{schema.ErrRateLimited, http.StatusTooManyRequests},
	{schema.ErrUnavailable, http.StatusServiceUnavailable},
	{schema.ErrTimeout, http.StatusGatewayTimeout},
	{schema.ErrStorageFull, http.StatusInsufficientStorage},
	{schema.ErrUnsupported, http.StatusUnsupportedMediaType},
	{schema.ErrMisdirected, http.StatusMisdirectedRequest},
	{schema.ErrStalled, http.StatusRequestTimeout},
	{schema.ErrLeft, http.StatusBadRequest}, // a client that has only closed its sending side reads it
}

// StatusLeft is the status that metrics count for a client that has left. It is never sent. nginx introduced the number.
const StatusLeft = 499

// Status returns the HTTP status of err's kind, 500 for an internal error.
func Status(err error) int {
	for _, s := range statuses {
		if errors.Is(err, s.kind) {
			return s.status
		}
	}
	return http.StatusInternalServerError
}

// RetryAfter returns the value of the header Retry-After: the time of a schema.RetryError, rounded up to whole seconds; otherwise 1 s for
// schema.ErrUnavailable, schema.ErrRateLimited and schema.ErrStorageFull; otherwise 0, which means no header.
func RetryAfter(err error) time.Duration {
	var r *schema.RetryError
	if errors.As(err, &r) {
		return (r.After + time.Second - 1).Truncate(time.Second)
	}
	switch Status(err) {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusInsufficientStorage:
		return time.Second
	}
	return 0
}
