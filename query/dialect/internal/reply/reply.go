// Package reply holds what all dialects share about answers and errors: the status, the headers of an error, the message for the caller,
// and what is logged.
package reply

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
	"github.com/activitylog/activitylog/schema/api"
)

// ErrMethod means that the path does not support the method.
var ErrMethod = errors.New("method not allowed")

// ErrVersion means that the answer needs HTTP/1.1 or later.
var ErrVersion = errors.New("upgrade required")

// NotAllowed returns ErrMethod and sets the header Allow to the methods that the path supports.
func NotAllowed(w http.ResponseWriter, methods string) error {
	w.Header().Set("Allow", methods)
	return ErrMethod
}

// Fail sets the headers that belong to err, logs err if it is internal, and returns its status.
func Fail(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) (status int) {
	status = Status(err)
	if status == http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		log.ErrorContext(r.Context(), "request failed", slog.String("method", r.Method), slog.Any("error", err))
	}
	if after := api.RetryAfter(err); after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(after/time.Second)))
	}
	api.Challenge(w.Header(), err)
	return status
}

// Status is api.Status, 405 for ErrMethod and 426 for ErrVersion.
func Status(err error) int {
	switch {
	case errors.Is(err, ErrMethod):
		return http.StatusMethodNotAllowed
	case errors.Is(err, ErrVersion):
		return http.StatusUpgradeRequired
	}
	return api.Status(err)
}

// messages are the texts for errors whose own text is not meant for callers.
var messages = map[int]string{
	http.StatusUnauthorized:         "credentials are missing or wrong",
	http.StatusForbidden:            "not allowed",
	http.StatusNotFound:             "not found",
	http.StatusMethodNotAllowed:     "method not allowed",
	http.StatusUnsupportedMediaType: "unsupported media type",
	http.StatusUpgradeRequired:      "needs HTTP/1.1 or later",
	http.StatusTooManyRequests:      "too many requests",
	http.StatusInternalServerError:  "internal error",
	http.StatusServiceUnavailable:   "temporarily unavailable, try again",
	http.StatusGatewayTimeout:       "not done in time; the outcome is open, and the request may be repeated",
}

// Message returns the text of err for the caller: what is wrong with which field, why the credentials are refused, or otherwise the meaning
// of the status.
func Message(err error) string {
	var f *schema.FieldError
	if errors.As(err, &f) {
		return f.Error()
	}
	var denied *schema.Refusal
	if errors.As(err, &denied) {
		return denied.Error()
	}
	status := Status(err)
	if m, ok := messages[status]; ok {
		return m
	}
	return http.StatusText(status)
}

// JSON marshals v without escaping <, > and &. v must be of types that always marshal. It panics otherwise, as for an empty
// json.RawMessage: that is a bug, which an answer without a body would hide.
func JSON(v any) []byte {
	var b bytes.Buffer
	text := json.NewEncoder(&b)
	text.SetEscapeHTML(false)
	if err := text.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Send writes an answer. It ignores write errors: the caller has gone.
func Send(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
