package collector

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/ingest/collector/internal/decode"
	"github.com/activitylog/activitylog/ingest/collector/internal/publish"
	"github.com/activitylog/activitylog/schema/api"
)

// fleet is the dialect of POST /api/v1/activity_log: snake_case fields, timestamps in Unix seconds (from 1e11 on in
// milliseconds), every response an envelope {"code","message","data"} whose code is the HTTP status and two digits.
type fleet struct {
	*handler
	always200 bool
}

const fleetPath = "/api/v1/activity_log"

func (c *Collector) fleet() *fleet {
	return &fleet{c.handler("fleet", decode.NewFleet), c.cfg.FleetAlways200}
}

// routes registers the endpoint, which takes one entry, an array of entries, or one entry on each line.
func (f *fleet) routes(r chi.Router) {
	r.Post(fleetPath, func(w http.ResponseWriter, r *http.Request) {
		res, err := f.write(r, decode.OneOrMany)
		f.respond(w, f.finish(w.Header(), res, err), res, err)
	})
}

// respond puts a result or an error into the envelope. A result beside an error is the data of that error.
func (f *fleet) respond(w http.ResponseWriter, status int, res *publish.Result, err error) {
	switch {
	case err != nil && res != nil:
		f.send(w, status, codeOf(err), messageOf(err), batchData(res))
	case err != nil:
		f.send(w, status, codeOf(err), messageOf(err), nil)
	case res.Single:
		data := strconv.AppendUint(append(make([]byte, 0, 32), `{"id":`...), res.ID, 10)
		f.send(w, status, 0, success, append(data, '}'))
	default:
		f.send(w, status, 0, success, batchData(res))
	}
}

// success is the message of every response without an error.
const success = "success"

type fleetFault struct {
	Index   int    `json:"index"`
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func batchData(res *publish.Result) []byte {
	faults := make([]fleetFault, len(res.Faults))
	for i, f := range res.Faults {
		faults[i] = fleetFault{f.Index, codeOf(f.Err), messageOf(f.Err)}
	}
	number := func(b []byte, id uint64) []byte { return strconv.AppendUint(b, id, 10) }
	return appendBatch(make([]byte, 0, 64+12*len(res.IDs)), res, number, faults)
}

// send sends {"code":…,"message":…,"data":…}; without data that is null.
func (f *fleet) send(w http.ResponseWriter, status, code int, message string, data []byte) {
	b := strconv.AppendInt(append(make([]byte, 0, 96+len(message)+len(data)), `{"code":`...), int64(code), 10)
	b = append(b, `,"message":`...)
	if message == success {
		b = append(b, `"`+success+`"`...)
	} else {
		text, _ := json.Marshal(message) // of a string: cannot fail
		b = append(b, text...)
	}
	b = append(b, `,"data":`...)
	if len(data) == 0 {
		b = append(b, "null"...)
	}
	b = append(append(b, data...), '}')
	if f.always200 {
		status = http.StatusOK
	}
	send(w, status, b)
}

// codeOf returns the dialect's code of an error: the HTTP status followed by 01.
func codeOf(err error) int { return api.Status(err)*100 + 1 }
