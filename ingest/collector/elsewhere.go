package collector

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// Elsewhere registers answers to what lies below /api/v1 and is no write, in the envelope of the dialect that the path belongs
// to. It is for a process that serves writes alone: beside reads, their dialects do this, and know more verbs.
func (c *Collector) Elsewhere(r chi.Router) {
	f := c.fleet()
	r.HandleFunc("/api/v1/*", func(w http.ResponseWriter, r *http.Request) {
		status, why := http.StatusNotFound, &answer{schema.ErrNotFound, "not found"}
		switch r.URL.Path {
		case fleetPath, auditPath, auditBatchPath:
			status, why = http.StatusMethodNotAllowed, &answer{schema.ErrInvalid, "method not allowed"}
			w.Header().Set("Allow", http.MethodPost)
		}
		if r.URL.Path != auditPath && !strings.HasPrefix(r.URL.Path, auditPath+"/") {
			w.Header().Set("Content-Type", "application/json")
			f.send(w, status, status*100+1, why.text, nil)
			return
		}
		id := api.RequestID(r.Header)
		w.Header().Set(api.RequestIDHeader, id)
		w.Header().Set("Content-Type", auditContentType)
		send(w, status, refusal(id, nil, why))
	})
}
