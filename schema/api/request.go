package api

import (
	"net/http"

	"github.com/google/uuid"
)

// RequestIDHeader names a request, and its answer after it.
const RequestIDHeader = "X-Request-Id"

const maxRequestID = 128 // bytes of a caller's own

// RequestID is the id that a request's header gives it, or a new one. An id that is not 1 to 128 printable characters of ASCII
// is as good as none: it goes back in a header and into logs.
func RequestID(h http.Header) string {
	id := h.Get(RequestIDHeader)
	if id == "" || len(id) > maxRequestID {
		return uuid.NewString()
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return uuid.NewString()
		}
	}
	return id
}
