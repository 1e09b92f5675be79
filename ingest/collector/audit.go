package collector

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/ingest/collector/internal/decode"
	"github.com/activitylog/activitylog/ingest/collector/internal/decode/scan"
	"github.com/activitylog/activitylog/ingest/collector/internal/publish"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// audit is the dialect of POST /api/v1/activity-logs. It has a field for everything that an entry can hold: camelCase
// fields, timestamps in Unix milliseconds or ISO 8601, ids as UUIDs. Responses are {"success":true,"data":…}, or
// {"success":false,"message":…,"meta":{"requestId":…,"details":[{"field","code","issue"}]}}.
type audit struct{ *handler }

const (
	auditPath        = "/api/v1/activity-logs"
	auditBatchPath   = auditPath + "/batch"
	auditContentType = "application/json; charset=utf-8" // the same as in the dialect's reads
)

func (c *Collector) audit() *audit {
	return &audit{c.handler("audit", decode.NewAudit)}
}

// routes registers the endpoints: one for a single entry, and one for an array of entries or one entry on each line.
func (a *audit) routes(r chi.Router) {
	r.Post(auditPath, a.handle(decode.One))
	r.Post(auditBatchPath, a.handle(decode.Many))
}

func (a *audit) handle(takes decode.Takes) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := api.RequestID(r.Header)
		w.Header().Set(api.RequestIDHeader, id)
		res, err := a.write(r, takes)
		status := a.finish(w.Header(), res, err)
		w.Header().Set("Content-Type", auditContentType)
		switch {
		case err != nil:
			send(w, status, refusal(id, messageOf(err), detailsOf(res, err)))
		case res.Single:
			send(w, http.StatusCreated, append(append([]byte(`{"success":true,"data":{"id":`), appendUUID(nil, res.ID)...), "}}"...))
		default:
			b := append(make([]byte, 0, 96+40*len(res.IDs)), `{"success":true,"data":`...)
			send(w, status, append(appendBatch(b, res, appendUUID, itemFaults(res)), '}'))
		}
	}
}

func appendUUID(b []byte, id uint64) []byte {
	text, _ := schema.UUID(id).MarshalText() // cannot fail
	return append(append(append(b, '"'), text...), '"')
}

// auditFault describes a fault of one field.
type auditFault struct {
	Field string `json:"field"`
	Code  string `json:"code"`
	Issue string `json:"issue"`
}

// auditItemFault describes a fault of one item of a batch.
type auditItemFault struct {
	Index int `json:"index"`
	auditFault
}

func itemFaults(res *publish.Result) []auditItemFault {
	faults := make([]auditItemFault, len(res.Faults))
	for i, f := range res.Faults {
		faults[i] = auditItemFault{f.Index, faultOf(f.Err, "entry")}
	}
	return faults
}

// codes maps an HTTP status to the code of a fault without a field.
var codes = map[int]string{
	http.StatusBadRequest:            "INVALID",
	http.StatusRequestEntityTooLarge: "TOO_LARGE",
	http.StatusServiceUnavailable:    "UNAVAILABLE",
	http.StatusGatewayTimeout:        "TIMEOUT",
	http.StatusInsufficientStorage:   "STORAGE_FULL",
}

// faultOf turns an error into a fault. An error without a field is a fault of the whole request.
func faultOf(err error, whole string) auditFault {
	var (
		field  *schema.FieldError
		syntax *scan.SyntaxError
	)
	switch {
	case errors.As(err, &field):
		return auditFault{field.Field, field.Code, field.Issue}
	case errors.As(err, &syntax):
		return auditFault{whole, "SYNTAX", messageOf(err)}
	}
	return auditFault{whole, codes[api.Status(err)], messageOf(err)}
}

// detailsOf returns the faults of each item of a batch, or the fault of the request's field or JSON.
func detailsOf(res *publish.Result, err error) any {
	switch own := (*schema.FieldError)(nil); {
	case res != nil:
		return itemFaults(res)
	case errors.As(err, &own), errors.As(err, new(*scan.SyntaxError)):
		return []auditFault{faultOf(err, "body")}
	}
	return []auditFault{}
}

// refusal returns the response to a request of which nothing was accepted.
func refusal(requestID, message string, details any) []byte {
	var response struct {
		Success bool   `json:"success"`
		Message string `json:"message"`
		Meta    struct {
			RequestID string `json:"requestId"`
			Details   any    `json:"details"`
		} `json:"meta"`
	}
	response.Message, response.Meta.RequestID, response.Meta.Details = message, requestID, details
	text, _ := json.Marshal(response) // of numbers and strings: cannot fail
	return text
}
