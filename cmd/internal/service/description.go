package service

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"

	"github.com/activitylog/activitylog/schema"
)

// description serves the OpenAPI description of all services. A client that has a copy sends its ETag to ask whether it has changed.
func description() http.HandlerFunc {
	sum := sha256.Sum256(schema.OpenAPIJSON)
	tag := fmt.Sprintf(`"%x"`, sum[:8])
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("ETag", tag)
		h.Set("Cache-Control", "no-cache")
		if strings.Contains(r.Header.Get("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Type", "application/json")
		_, _ = w.Write(schema.OpenAPIJSON) // the client has gone
	}
}
