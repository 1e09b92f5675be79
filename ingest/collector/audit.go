package collector

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/ingest/collector/internal/scan"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// audit is the dialect of POST /api/v1/activity-logs, which can say all that an entry can hold: camelCase fields,
// timestamps in Unix milliseconds or ISO 8601, ids as UUIDs. Answers are {"success":true,"data":…}, or
// {"success":false,"message":…,"meta":{"requestId":…,"details":[{"field","code","issue"}]}}.
type audit struct{ *door }

const (
	auditPath        = "/api/v1/activity-logs"
	auditBatchPath   = auditPath + "/batch"
	auditContentType = "application/json; charset=utf-8" // as the dialect's reads have it
)

func (c *Collector) audit() *audit {
	return &audit{c.door("audit", "eventId", func() any { return new(auditDecoder) })}
}

// routes registers the endpoints: one for a single entry, and one for an array of entries or one a line.
func (a *audit) routes(r chi.Router) {
	r.Post(auditPath, a.handle(one))
	r.Post(auditBatchPath, a.handle(many))
}

func (a *audit) handle(what takes) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := api.RequestID(r.Header)
		w.Header().Set(api.RequestIDHeader, id)
		rc, err := a.take(w, r, what)
		status := a.close(w.Header(), rc, err)
		w.Header().Set("Content-Type", auditContentType)
		switch {
		case err != nil:
			send(w, status, refusal(id, rc, err))
		case rc.single:
			send(w, http.StatusCreated, append(append([]byte(`{"success":true,"data":{"id":`), appendUUID(nil, rc.id)...), "}}"...))
		default:
			b := append(make([]byte, 0, 96+40*len(rc.ids)), `{"success":true,"data":`...)
			send(w, status, append(rc.append(b, appendUUID, itemFaults(rc)), '}'))
		}
	}
}

func appendUUID(b []byte, id uint64) []byte {
	text, _ := schema.UUID(id).MarshalText() // cannot fail
	return append(append(append(b, '"'), text...), '"')
}

// auditFault is one thing that is wrong, with whose field.
type auditFault struct {
	Field string `json:"field"`
	Code  string `json:"code"`
	Issue string `json:"issue"`
}

// auditItemFault is what is wrong with an item of a batch.
type auditItemFault struct {
	Index int `json:"index"`
	auditFault
}

func itemFaults(rc *receipt) []auditItemFault {
	faults := make([]auditItemFault, len(rc.faults))
	for i, f := range rc.faults {
		faults[i] = auditItemFault{f.index, faultOf(f.err, "entry")}
	}
	return faults
}

// codes are what a fault is called that is of no field.
var codes = map[int]string{
	http.StatusBadRequest:            "INVALID",
	http.StatusRequestEntityTooLarge: "TOO_LARGE",
	http.StatusServiceUnavailable:    "UNAVAILABLE",
	http.StatusInsufficientStorage:   "STORAGE_FULL",
}

// faultOf is an error as a fault; one of no field is of what.
func faultOf(err error, what string) auditFault {
	var (
		field  *schema.FieldError
		syntax *scan.SyntaxError
	)
	switch {
	case errors.As(err, &field):
		return auditFault{field.Field, field.Code, field.Issue}
	case errors.As(err, &syntax):
		return auditFault{what, "SYNTAX", messageOf(err)}
	}
	return auditFault{what, codes[api.Status(err)], messageOf(err)}
}

// refusal is the answer of a request of which nothing was accepted. Its details name the faults of the caller: of the
// request, or of each item.
func refusal(requestID string, rc *receipt, err error) []byte {
	var answer struct {
		Success bool   `json:"success"`
		Message string `json:"message"`
		Meta    struct {
			RequestID string `json:"requestId"`
			Details   any    `json:"details"`
		} `json:"meta"`
	}
	answer.Message, answer.Meta.RequestID = messageOf(err), requestID
	answer.Meta.Details = []auditFault{}
	switch own := (*schema.FieldError)(nil); {
	case rc != nil:
		answer.Meta.Details = itemFaults(rc)
	case errors.As(err, &own), errors.As(err, new(*scan.SyntaxError)):
		answer.Meta.Details = []auditFault{faultOf(err, "body")}
	}
	text, _ := json.Marshal(answer) // of numbers and strings: cannot fail
	return text
}
