// Package things serves the action logs API of a things platform, GET /actionlogs, and answers like the ServiceStack service that
// it replaces. Parameter names are case-insensitive and unknown parameters are ignored. Times are Unix ms. Callers page by Page and
// ItemsPerPage. Answers are JSON, JSV, XML, CSV or a web page, selected by the suffix of the path, ?format= or the header Accept.
// An error is {"responseStatus":{…}} in the same format.
package things

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
)

// Reads answers lists and counts.
type Reads interface {
	Await(ctx context.Context, p schema.Position) error
	List(ctx context.Context, l query.Listing) (query.Page, error)
	Count(ctx context.Context, f query.Filter) (uint64, error)
}

// Actions assigns codes to action names.
type Actions interface {
	Codes(ctx context.Context, entries []schema.Entry) (map[string]int64, error)
	Name(ctx context.Context, code int64) (name string, ok bool, err error)
}

// API is the dialect over what it reads.
type API struct {
	reads   Reads
	actions Actions
	log     *slog.Logger
}

// New makes the dialect.
func New(reads Reads, actions Actions, log *slog.Logger) *API {
	return &API{reads, actions, log}
}

const path = "/actionlogs"

// Routes registers the path, without and with the suffix of each format. As in ServiceStack, the case of both does not matter.
func (a *API) Routes(r chi.Router) {
	for _, suffix := range append([]string{""}, suffixes()...) {
		r.HandleFunc(path+suffix, a.handle(notAllowed))
		r.Get(path+suffix, a.handle(a.list))
		r.Head(path+suffix, a.handle(a.list))
	}
	for _, pattern := range [...]string{path + ".{suffix}", `/{path:(?i)actionlogs}`, `/{path:(?i)actionlogs\.[^/]+}`} {
		r.HandleFunc(pattern, a.handle(a.spelled))
	}
}

// spelled serves the path in another case, and paths with an unknown suffix. Metrics count them under the document's spelling.
func (a *API) spelled(w http.ResponseWriter, r *http.Request) (*page, error) {
	suffix := strings.ToLower(r.URL.Path[len(path):])
	unknown := suffix != "" && !slices.Contains(suffixes(), suffix)
	pattern := path + suffix
	if unknown {
		pattern = path + ".{suffix}"
	}
	chi.RouteContext(r.Context()).RoutePatterns = []string{pattern}
	switch {
	case unknown:
		return nil, fmt.Errorf("%w: no such format", schema.ErrNotFound)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return notAllowed(w, r)
	}
	return a.list(w, r)
}

func notAllowed(w http.ResponseWriter, _ *http.Request) (*page, error) {
	return nil, reply.NotAllowed(w, "GET, HEAD")
}

// A caller needs one of these roles.
var roles = []string{"Admin", schema.RoleTenantAdmin, schema.RoleAccessAdmin, schema.RoleAnalyst}

// page is a page of action logs.
type page struct {
	asked asked
	logs  []view
	total uint64

	possible bool   // something can match
	explorer string // its address with the filters of this page; empty for callers who cannot use it
	wider    bool   // the explorer shows more than this page
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
	if err := request.Await(r, a.reads); err != nil {
		return nil, err
	}
	done, err := a.page(r, ask)
	if err == nil && done.possible && p.HasRole(explorers...) {
		v, _ := valuesOf(r) // parse has read them
		done.explorer, done.wider = explorerLink(done.asked.filter, v.get("tenant"))
	}
	return done, err
}

// page reads the page that ask describes.
func (a *API) page(r *http.Request, ask asked) (*page, error) {
	done := &page{asked: ask}
	possible, err := a.resolve(r, &ask)
	if err != nil || !possible {
		return done, err
	}
	done.asked, done.possible = ask, true
	l := ask.listing()
	if done.total, err = a.reads.Count(r.Context(), l.Filter); err != nil || l.Offset >= int64(done.total) {
		return done, err
	}
	entries, err := a.reads.List(r.Context(), l)
	if err != nil {
		return nil, request.Renamed(err, "ItemsPerPage")
	}
	done.total = request.Total(done.total, l, entries)
	codes, err := a.actions.Codes(r.Context(), entries.Entries)
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
	name, ok, err := a.actions.Name(r.Context(), *ask.action)
	ask.filter.Action = name
	return ok, err
}
