package api

import (
	"net/http"

	"github.com/google/uuid"
)

// RequestIDHeader is the header with the id of a request, in the request and in its answer.
const RequestIDHeader = "X-Request-Id"

const maxRequestID = 128 // bytes

// RequestID returns the id in a request's header, or a new one. An id that is not 1 to 128 printable ASCII characters is replaced,
// because it goes into a header and into logs.
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
