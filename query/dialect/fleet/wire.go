package fleet

import (
	"net/http"

	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
)

// envelope is the body of every answer, with keys in the order of the API's document.
type envelope struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data"`
}

// item is an entry in this dialect.
type item struct {
	ID           uint64 `json:"id"`
	Platform     string `json:"platform"`
	Serial       string `json:"serial"`
	ActionType   string `json:"action_type"`
	ActionDetail string `json:"action_detail"`
	Username     string `json:"username"`
	Timestamp    int64  `json:"timestamp"` // Unix s
}

type counted struct {
	Count uint64 `json:"count"`
}

type deletedOne struct {
	Deleted bool   `json:"deleted"`
	ID      uint64 `json:"id"`
}

type deletedAll struct {
	Deleted bool   `json:"deleted"`
	Message string `json:"message"`
}

func itemOf(e *schema.Entry) item {
	username := e.ActorName
	if username == "" {
		username = e.ActorID
	}
	return item{
		ID: e.ID, Platform: e.Platform, Serial: e.Device, ActionType: e.Action, ActionDetail: e.Detail,
		Username: username, Timestamp: e.Timestamp / 1000,
	}
}

type endpoint func(http.ResponseWriter, *http.Request) (any, error)

// handle writes the answer or the error of an endpoint in the envelope.
func (a *API) handle(do endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var data any
		err := request.Failure(r)
		if err == nil {
			data, err = do(w, r)
		}
		if err == nil {
			a.send(w, http.StatusOK, envelope{0, "success", data})
			return
		}
		status := reply.Fail(w, r, a.log, err)
		a.send(w, status, envelope{Code: status*100 + 1, Message: reply.Message(err)})
	}
}

func (a *API) send(w http.ResponseWriter, status int, e envelope) {
	if a.cfg.Always200 {
		status = http.StatusOK
	}
	reply.Send(w, status, "application/json; charset=utf-8", reply.JSON(e))
}
