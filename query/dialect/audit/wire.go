package audit

import (
	"cmp"
	"log/slog"
	"net/http"
	"strings"

	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// answer is the body of a successful request.
type answer struct {
	Success bool  `json:"success"`
	Data    any   `json:"data"`
	Meta    *meta `json:"meta,omitempty"`
}

func success(data any) *answer { return &answer{Success: true, Data: data} }

// meta describes a page of a listing.
type meta struct {
	Page        *int64  `json:"page"` // null with a cursor
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

// refusal is the body of a failed request.
type refusal struct {
	Success bool        `json:"success"`
	Message string      `json:"message"`
	Meta    refusalMeta `json:"meta"`
}

type refusalMeta struct {
	RequestID string   `json:"requestId"`
	Details   []detail `json:"details"`
}

// detail is one error of a request.
type detail struct {
	Field string `json:"field"`
	Code  string `json:"code"`
	Issue string `json:"issue"`
}

// endpoint serves a route. It returns nil if it has written the answer itself, as a stream.
type endpoint func(http.ResponseWriter, *http.Request) (*answer, error)

// takes are the names of a route's parameters; anything means that they do not matter.
type takes []string

var (
	anything takes
	none     = takes{}
)

// handle refuses callers that may not do this and parameters that the route does not take, and writes the answer or the error of the
// endpoint in the envelope.
func (a *API) handle(needs needs, names takes, do endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := api.RequestID(r.Header)
		w.Header().Set(api.RequestIDHeader, id)
		err := needs.check(r)
		if err == nil && names != nil {
			_, err = request.Known(r, names...)
		}
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

// needs are what a caller may have to use a route: any of these roles, with the scope beside it.
type needs []struct {
	role  string
	scope schema.Scope
}

// ADMIN is required by the API's document. Analysts read, and that is all.
var (
	reading       = needs{{schema.RoleAdmin, schema.ScopeRead}, {schema.RoleAnalyst, schema.ScopeRead}}
	exporting     = needs{{schema.RoleAdmin, schema.ScopeAdmin}, {schema.RoleAnalyst, schema.ScopeRead}}
	administering = needs{{schema.RoleAdmin, schema.ScopeAdmin}}
)

func (n needs) check(r *http.Request) error {
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return err
	}
	var lacks error // the scope for a role that the caller has
	names := make([]string, len(n))
	for i, way := range n {
		names[i] = way.role
		if !p.HasRole(way.role) {
			continue
		}
		err := p.Require(way.scope)
		if err == nil {
			return nil
		}
		lacks = cmp.Or(lacks, err)
	}
	if lacks != nil {
		return lacks
	}
	return &schema.Refusal{Kind: schema.ErrForbidden, Issue: "needs the role " + strings.Join(names, " or ")}
}

func (a *API) refuse(w http.ResponseWriter, r *http.Request, id string, err error) {
	status := reply.Fail(w, r, a.log.With(slog.String("request", id)), err)
	details := detailsIn(err)
	send(w, status, refusal{Message: messageOf(err, details), Meta: refusalMeta{RequestID: id, Details: details}})
}

// detailsIn returns the field errors that err wraps or joins.
func detailsIn(err error) []detail {
	all := []detail{}
	switch e := err.(type) { //nolint:errorlint // each level is inspected by itself
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

// messageOf returns the message for people. It names all errors, not only the first.
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
