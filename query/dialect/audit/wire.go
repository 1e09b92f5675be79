package audit

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
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

// endpoint does the work of a route. Its answer is nil when it has written it itself, as a stream is.
type endpoint func(http.ResponseWriter, *http.Request) (*answer, error)

// handle lets those pass who are administrators with the scope, and puts the endpoint's answer, or its error, into the envelope.
func (a *API) handle(needs schema.Scope, do endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := api.RequestID(r.Header)
		w.Header().Set(api.RequestIDHeader, id)
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
	status := reply.Fail(w, r, a.log.With(slog.String("request", id)), err)
	details := detailsIn(err)
	send(w, status, refusal{Message: messageOf(err, details), Meta: refusalMeta{RequestID: id, Details: details}})
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

// messageOf is what a person is told: of all that is wrong, not only of the first.
func messageOf(err error, details []detail) string {
	if len(details) == 0 {
		return reply.Message(err)
	}
	all := make([]string, len(details))
	for i, d := range details {
		all[i] = d.Field + ": " + d.Issue
	}
	return strings.Join(all, "; ")
}

func send(w http.ResponseWriter, status int, body any) {
	reply.Send(w, status, "application/json; charset=utf-8", reply.JSON(body))
}
