package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// envelope is every answer, in the key order of the API's document.
type envelope struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data"`
}

// item is an entry as this dialect shows it.
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

// errMethod is a verb that the path does not know.
var errMethod = errors.New("method not allowed")

type endpoint func(http.ResponseWriter, *http.Request) (any, error)

// handle puts an endpoint's answer, or its error, into the envelope.
func (a *API) handle(do endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		data, err := do(w, r)
		if err == nil {
			a.send(w, http.StatusOK, envelope{0, "success", data})
			return
		}
		status := statusOf(err)
		if status == http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
			a.log.ErrorContext(r.Context(), "request failed", slog.String("method", r.Method), slog.Any("error", err))
		}
		if after := schema.RetryAfter(err); after > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(after/time.Second)))
		}
		schema.Challenge(w.Header(), err)
		a.send(w, status, envelope{Code: status*100 + 1, Message: messageOf(err, status)})
	}
}

func statusOf(err error) int {
	if errors.Is(err, errMethod) {
		return http.StatusMethodNotAllowed
	}
	return schema.Status(err)
}

// messages are what a caller is told where an error's own text is not meant for it.
var messages = map[int]string{
	http.StatusUnauthorized:        "credentials are missing or wrong",
	http.StatusForbidden:           "not allowed",
	http.StatusNotFound:            "not found",
	http.StatusMethodNotAllowed:    "method not allowed",
	http.StatusTooManyRequests:     "too many requests",
	http.StatusInternalServerError: "internal error",
	http.StatusServiceUnavailable:  "temporarily unavailable, try again",
	http.StatusGatewayTimeout:      "not done in time; the outcome is open, and the request may be repeated",
}

func messageOf(err error, status int) string {
	var f *schema.FieldError
	if errors.As(err, &f) {
		return f.Error()
	}
	var denied *schema.Refusal
	if errors.As(err, &denied) {
		return denied.Error()
	}
	if m, ok := messages[status]; ok {
		return m
	}
	return http.StatusText(status)
}

func (a *API) send(w http.ResponseWriter, status int, e envelope) {
	if a.cfg.Always200 {
		status = http.StatusOK
	}
	var body bytes.Buffer
	text := json.NewEncoder(&body)
	text.SetEscapeHTML(false)
	_ = text.Encode(e) // impossible to fail: the types above always marshal
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // a caller that has gone is no error of ours
}
