package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// answer is what an endpoint answers when it is done.
type answer struct {
	Success bool  `json:"success"`
	Data    any   `json:"data"`
	Meta    *meta `json:"meta,omitempty"`
}

func success(data any) *answer { return &answer{Success: true, Data: data} }

// meta says where in a listing a page lies.
type meta struct {
	Page        *int64  `json:"page"` // null for a page that a cursor led to
	PageSize    int     `json:"pageSize"`
	Total       uint64  `json:"total"`
	TotalItems  uint64  `json:"totalItems"`
	TotalPages  uint64  `json:"totalPages"`
	HasNextPage bool    `json:"hasNextPage"`
	HasPrevPage bool    `json:"hasPrevPage"`
	NextCursor  *string `json:"nextCursor"`
}

func metaOf(page int64, size int, total uint64, next string) *meta {
	m := &meta{
		PageSize: size, Total: total, TotalItems: total, TotalPages: (total + uint64(size) - 1) / uint64(size),
		HasNextPage: next != "", HasPrevPage: page != 1, NextCursor: known(next),
	}
	if page > 0 {
		m.Page = &page
	}
	return m
}

type counted struct {
	Count uint64 `json:"count"`
}

// refusal is what is answered when an endpoint has failed.
type refusal struct {
	Success bool        `json:"success"`
	Message string      `json:"message"`
	Meta    refusalMeta `json:"meta"`
}

type refusalMeta struct {
	RequestID string   `json:"requestId"`
	Details   []detail `json:"details"`
}

// detail is one fault of a request.
type detail struct {
	Field string `json:"field"`
	Code  string `json:"code"`
	Issue string `json:"issue"`
}

// errMethod is a verb that the path does not know.
var errMethod = errors.New("method not allowed")

// endpoint does the work of a route. Its answer is nil when it has written it itself, as a stream is.
type endpoint func(http.ResponseWriter, *http.Request) (*answer, error)

// handle lets those pass who are administrators with the scope, and puts the endpoint's answer, or its error, into the envelope.
func (a *API) handle(needs schema.Scope, do endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := schema.RequestID(r.Header)
		w.Header().Set(schema.RequestIDHeader, id)
		err := allowed(r, needs)
		var done *answer
		if err == nil {
			done, err = do(w, r)
		}
		switch {
		case err != nil:
			a.refuse(w, r, id, err)
		case done != nil:
			send(w, http.StatusOK, done)
		}
	}
}

// role is the one that the API's document asks for.
const role = "ADMIN"

func allowed(r *http.Request, needs schema.Scope) error {
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return err
	}
	if !p.HasRole(role) {
		return &schema.Refusal{Kind: schema.ErrForbidden, Issue: "needs the role " + role}
	}
	return p.Require(needs)
}

func (a *API) refuse(w http.ResponseWriter, r *http.Request, id string, err error) {
	status := statusOf(err)
	if status == http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		a.log.ErrorContext(r.Context(), "request failed", slog.String("method", r.Method), slog.String("request", id), slog.Any("error", err))
	}
	if after := schema.RetryAfter(err); after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(after/time.Second)))
	}
	schema.Challenge(w.Header(), err)
	details := detailsIn(err)
	send(w, status, refusal{Message: messageOf(err, details, status), Meta: refusalMeta{RequestID: id, Details: details}})
}

func statusOf(err error) int {
	if errors.Is(err, errMethod) {
		return http.StatusMethodNotAllowed
	}
	return schema.Status(err)
}

// detailsIn are the faults of fields that err wraps or joins.
func detailsIn(err error) []detail {
	all := []detail{}
	switch e := err.(type) { //nolint:errorlint // each level is looked at by itself
	case *schema.FieldError:
		return []detail{{e.Field, e.Code, e.Issue}}
	case interface{ Unwrap() []error }:
		for _, each := range e.Unwrap() {
			all = append(all, detailsIn(each)...)
		}
	case interface{ Unwrap() error }:
		return detailsIn(e.Unwrap())
	}
	return all
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

func messageOf(err error, details []detail, status int) string {
	if len(details) > 0 {
		all := make([]string, len(details))
		for i, d := range details {
			all[i] = d.Field + ": " + d.Issue
		}
		return strings.Join(all, "; ")
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

func send(w http.ResponseWriter, status int, body any) {
	text := plainJSON(body)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(text) // a caller that has gone is no error of ours
}

// plainJSON is v as JSON that leaves <, > and & as they are.
func plainJSON(v any) []byte {
	var b bytes.Buffer
	text := json.NewEncoder(&b)
	text.SetEscapeHTML(false)
	if err := text.Encode(v); err != nil {
		panic(err) // a fault of ours: every type that is answered marshals, and what was stored as JSON has been looked at
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
