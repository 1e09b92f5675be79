package collector

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/schema/api"
)

// Fallback registers 404 and 405 for everything below /api/v1 that is not a write, in the envelope of the dialect that the path
// belongs to. It is for a process without the reads. In a process with reads, the dialects of the reads do this, because they know more
// methods.
func (c *Collector) Fallback(r chi.Router) {
	f := c.fleet()
	r.HandleFunc("/api/v1/*", func(w http.ResponseWriter, r *http.Request) {
		status, message := http.StatusNotFound, "not found"
		switch r.URL.Path {
		case fleetPath, auditPath, auditBatchPath:
			status, message = http.StatusMethodNotAllowed, "method not allowed"
			w.Header().Set("Allow", http.MethodPost)
		}
		if r.URL.Path != auditPath && !strings.HasPrefix(r.URL.Path, auditPath+"/") {
			w.Header().Set("Content-Type", "application/json")
			f.send(w, status, status*100+1, message, nil)
			return
		}
		id := api.RequestID(r.Header)
		w.Header().Set(api.RequestIDHeader, id)
		w.Header().Set("Content-Type", auditContentType)
		send(w, status, refusal(id, message, []auditFault{}))
	})
}
