// Package reply is what every dialect does with an answer and with an error, whatever its envelope: the status, the headers that
// go with an error, what of it a caller is told, and what of it is logged.
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

// ErrMethod is a verb that the path does not know.
var ErrMethod = errors.New("method not allowed")

// NotAllowed is ErrMethod; it tells the caller in the header Allow which verbs the path knows.
func NotAllowed(w http.ResponseWriter, verbs string) error {
	w.Header().Set("Allow", verbs)
	return ErrMethod
}

// Fail sets the headers that go with err, logs it if it is an internal one, and returns its status.
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

// Status is api.Status, and 405 for ErrMethod.
func Status(err error) int {
	if errors.Is(err, ErrMethod) {
		return http.StatusMethodNotAllowed
	}
	return api.Status(err)
}

// messages are what a caller is told where an error's own text is not meant for it.
var messages = map[int]string{
	http.StatusUnauthorized:         "credentials are missing or wrong",
	http.StatusForbidden:            "not allowed",
	http.StatusNotFound:             "not found",
	http.StatusMethodNotAllowed:     "method not allowed",
	http.StatusUnsupportedMediaType: "unsupported media type",
	http.StatusTooManyRequests:      "too many requests",
	http.StatusInternalServerError:  "internal error",
	http.StatusServiceUnavailable:   "temporarily unavailable, try again",
	http.StatusGatewayTimeout:       "not done in time; the outcome is open, and the request may be repeated",
}

// Message is what a caller is told of err: which field is wrong and how, why it may not ask, or what the status means.
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

// JSON is v as JSON that leaves <, > and & as they are. v must be of types that always marshal; one that does not, as an empty
// json.RawMessage, is a fault of ours, and an answer without a body would hide it.
func JSON(v any) []byte {
	var b bytes.Buffer
	text := json.NewEncoder(&b)
	text.SetEscapeHTML(false)
	if err := text.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Send writes an answer. A caller that has gone is no error of ours.
func Send(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
