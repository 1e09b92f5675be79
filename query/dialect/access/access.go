// Package access serves the List Activity Logs API of access control, POST /filterActivity. Names are camelCase, times are Unix
// ms, an answer is {"data":{"activities":[…],"nextToken":…},"message":…} and an error {"message":…}. All pages of a listing are
// one snapshot: they show what was stored when the first page was read, each entry once, in order.
package access

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
)

// Reads answers lists.
type Reads interface {
	Await(ctx context.Context, p schema.Position) error
	List(ctx context.Context, l query.Listing) (query.Page, error)
}

// API is the dialect over what it reads.
type API struct {
	reads Reads
	log   *slog.Logger
}

// New makes the dialect.
func New(reads Reads, log *slog.Logger) *API {
	return &API{reads, log}
}

const path = "/filterActivity"

// Routes registers the endpoint.
func (a *API) Routes(r chi.Router) {
	r.HandleFunc(path, a.handle(notAllowed))
	r.Post(path, a.handle(a.list))
}

func notAllowed(w http.ResponseWriter, _ *http.Request) (*answer, error) {
	return nil, reply.NotAllowed(w, http.MethodPost)
}

func (a *API) list(w http.ResponseWriter, r *http.Request) (*answer, error) {
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return nil, err
	}
	f, err := query.NewFilter(p)
	if err != nil {
		return nil, err
	}
	body, err := read(w, r)
	if err != nil {
		return nil, err
	}
	l, err := parse(body, f)
	if err != nil {
		return nil, err
	}
	if err := request.Await(r, a.reads); err != nil {
		return nil, err
	}
	page, err := a.reads.List(r.Context(), l)
	if err != nil {
		return nil, renamed(err)
	}
	return answerOf(page), nil
}

// renamed translates an error of the cursor into the field name and the text of this dialect.
func renamed(err error) error {
	var f *schema.FieldError
	if !errors.As(err, &f) || f.Field != "cursor" {
		return err
	}
	issue := "does not belong to this request: send the same fields as for the page before; only limit may change"
	if f.Code == "EXPIRED" {
		issue = "has expired: start again without it"
	}
	return &schema.FieldError{Field: "nextToken", Code: f.Code, Issue: issue}
}
