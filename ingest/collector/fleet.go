package collector

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/schema/api"
)

// fleet is the dialect of POST /api/v1/activity_log: snake_case fields, timestamps in Unix seconds (from 1e11 on in
// milliseconds), every reply an envelope {"code","message","data"} whose code is the HTTP status and two digits.
type fleet struct {
	*door
	always200 bool
}

const fleetPath = "/api/v1/activity_log"

func (c *Collector) fleet() *fleet {
	return &fleet{c.door("fleet", "event_id", func() any { return new(fleetDecoder) }), c.cfg.FleetAlways200}
}

// routes registers the endpoint, which takes one entry, an array of entries, or one a line.
func (f *fleet) routes(r chi.Router) {
	r.Post(fleetPath, func(w http.ResponseWriter, r *http.Request) {
		rc, err := f.take(w, r, oneOrMany)
		f.answer(w, f.close(w.Header(), rc, err), rc, err)
	})
}

// answer puts a receipt or an error into the envelope. A receipt beside an error is the data of that error.
func (f *fleet) answer(w http.ResponseWriter, status int, rc *receipt, err error) {
	switch {
	case err != nil && rc != nil:
		f.send(w, status, codeOf(err), messageOf(err), batchData(rc))
	case err != nil:
		f.send(w, status, codeOf(err), messageOf(err), nil)
	case rc.single:
		data := strconv.AppendUint(append(make([]byte, 0, 32), `{"id":`...), rc.id, 10)
		f.send(w, status, 0, success, append(data, '}'))
	default:
		f.send(w, status, 0, success, batchData(rc))
	}
}

// success is the message of every reply without an error.
const success = "success"

type fleetFault struct {
	Index   int    `json:"index"`
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func batchData(rc *receipt) []byte {
	faults := make([]fleetFault, len(rc.faults))
	for i, f := range rc.faults {
		faults[i] = fleetFault{f.index, codeOf(f.err), messageOf(f.err)}
	}
	number := func(b []byte, id uint64) []byte { return strconv.AppendUint(b, id, 10) }
	return rc.append(make([]byte, 0, 64+12*len(rc.ids)), number, faults)
}

// send writes {"code":…,"message":…,"data":…}; no data is null.
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

// codeOf is the dialect's code of an error: the HTTP status and 01.
func codeOf(err error) int { return api.Status(err)*100 + 1 }
