// Package things serves the action logs API of a things platform, GET /actionlogs, and answers like the ServiceStack service that
// it replaces. Parameter names are case-insensitive and unknown parameters are ignored. Times are Unix ms. Callers page by Page and
// ItemsPerPage. Answers are JSON, JSV, XML, CSV or a web page, selected by the suffix of the path, ?format= or the header Accept.
// An error is {"responseStatus":{…}} in the same format.
package things

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
)

// API serves the dialect from a store.
type API struct {
	store *query.Store
	log   *slog.Logger
}

// New makes the API.
func New(store *query.Store, log *slog.Logger) *API {
	return &API{store, log}
}

const path = "/actionlogs"

// Routes registers the path, without and with the suffix of each format.
func (a *API) Routes(r chi.Router) {
	for _, suffix := range append([]string{""}, suffixes()...) {
		r.HandleFunc(path+suffix, a.handle(notAllowed))
		r.Get(path+suffix, a.handle(a.list))
		r.Head(path+suffix, a.handle(a.list))
	}
	r.HandleFunc(path+".{suffix}", a.handle(unknown))
}

func unknown(http.ResponseWriter, *http.Request) (*page, error) {
	return nil, fmt.Errorf("%w: no such format", schema.ErrNotFound)
}

func notAllowed(w http.ResponseWriter, _ *http.Request) (*page, error) {
	return nil, reply.NotAllowed(w, "GET, HEAD")
}

// A caller needs one of these roles.
var roles = []string{"Admin", "TenantAdmin", "AccessAdmin"}

// page is a page of action logs.
type page struct {
	asked asked
	logs  []view
	total uint64
}

func (a *API) list(_ http.ResponseWriter, r *http.Request) (*page, error) {
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return nil, err
	}
	if !p.HasRole(roles...) {
		return nil, errRole
	}
	f, err := query.NewFilter(p)
	if err != nil {
		return nil, err
	}
	ask, err := parse(r, f)
	if err != nil {
		return nil, err
	}
	if err := request.Await(r, a.store); err != nil {
		return nil, err
	}
	return a.page(r, ask)
}

// page reads the page that ask describes.
func (a *API) page(r *http.Request, ask asked) (*page, error) {
	done := &page{asked: ask}
	possible, err := a.resolve(r, &ask)
	if err != nil || !possible {
		return done, err
	}
	l := ask.listing()
	if done.total, err = a.store.Count(r.Context(), l.Filter); err != nil || l.Offset >= int64(done.total) {
		return done, err
	}
	entries, err := a.store.List(r.Context(), l)
	if err != nil {
		return nil, err
	}
	codes, err := a.store.ActionCodes(r.Context(), entries.Entries)
	if err != nil {
		return nil, err
	}
	for i := range entries.Entries {
		done.logs = append(done.logs, viewOf(&entries.Entries[i], codes))
	}
	return done, nil
}

// resolve replaces the code of an action by its name in the filter. It returns false if nothing can match: the code is unknown, or
// the actor would have to be both a user and a business user.
func (a *API) resolve(r *http.Request, ask *asked) (possible bool, err error) {
	if ask.nobody || ask.action == nil {
		return !ask.nobody, nil
	}
	name, ok, err := a.store.ActionOf(r.Context(), *ask.action)
	ask.filter.Action = name
	return ok, err
}
