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

// RetryAfter is the time after which the request may be repeated, rounded up to whole seconds;
// 1 s for an ErrUnavailable, schema.ErrRateLimited or schema.ErrStorageFull that does not say, else 0.
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
