// Package fleet serves the reads and deletes of the Activity Log API of device fleets, under /api/v1/activity_log. Every answer
// is {"code":…,"message":…,"data":…}; on success the code is 0 and the message "success". Times are Unix seconds. Callers page by
// limit and offset, or by the cursor in the header X-Next-Cursor of the page before.
package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// Config is the configuration of the dialect.
type Config struct {
	Always200 bool // answer every request with HTTP 200, for clients that expect it; the code in the body is unchanged
}

// Reads answers lists and counts.
type Reads interface {
	Await(ctx context.Context, p schema.Position) error
	List(ctx context.Context, l query.Listing) (query.Page, error)
	Count(ctx context.Context, f query.Filter) (uint64, error)
}

// Deletes erases entries of the principal's tenant.
type Deletes interface {
	DeleteOne(ctx context.Context, p schema.Principal, id uint64) error
	DeleteAll(ctx context.Context, p schema.Principal) error
}

// API is the dialect over what it reads and deletes.
type API struct {
	reads   Reads
	deletes Deletes
	cfg     Config
	log     *slog.Logger
}

// New makes the dialect.
func New(reads Reads, deletes Deletes, cfg Config, log *slog.Logger) *API {
	return &API{reads, deletes, cfg, log}
}

const path = "/api/v1/activity_log"

// The parameters of reads and of deletes, beside tenant and position. The count ignores those of pages, as the API's document says.
var (
	listed = []string{"platform", "serial", "action_type", "username", "search", "start", "end", "limit", "offset", "order", "cursor"}
	none   []string
)

// Routes registers the endpoints. It also answers unknown paths under /api/v1, in the same envelope.
func (a *API) Routes(r chi.Router) {
	r.Get(path, a.handle(known(listed, a.list)))
	r.Get(path+"/count", a.handle(known(listed, a.count)))
	r.Delete(path+"/all", a.handle(known(none, a.deleteAll)))
	r.Delete(path+"/{id}", a.handle(known(none, a.deleteOne)))
	r.HandleFunc("/api/v1/*", a.handle(a.elsewhere))
}

// known is do for requests that have no other parameters than names. A caller without credentials learns nothing about them.
func known(names []string, do endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		if _, err := schema.PrincipalOf(r.Context()); err != nil {
			return nil, err
		}
		if _, err := request.Known(r, names...); err != nil {
			return nil, err
		}
		return do(w, r)
	}
}

// NextCursor is the header with the cursor of the next page. The last page has none.
const NextCursor = "X-Next-Cursor"

func (a *API) list(w http.ResponseWriter, r *http.Request) (any, error) {
	l, err := parseListing(r)
	if err != nil {
		return nil, err
	}
	if err := request.Await(r, a.reads); err != nil {
		return nil, err
	}
	page, err := a.reads.List(r.Context(), l)
	if err != nil {
		return nil, err
	}
	if page.Next != "" {
		w.Header().Set(NextCursor, page.Next)
	}
	items := make([]item, len(page.Entries))
	for i := range page.Entries {
		items[i] = itemOf(&page.Entries[i])
	}
	return items, nil
}

func (a *API) count(_ http.ResponseWriter, r *http.Request) (any, error) {
	f, err := parseFilter(r)
	if err != nil {
		return nil, err
	}
	if err := request.Await(r, a.reads); err != nil {
		return nil, err
	}
	n, err := a.reads.Count(r.Context(), f)
	return counted{n}, err
}

func (a *API) deleteOne(w http.ResponseWriter, r *http.Request) (any, error) {
	if chi.URLParam(r, "id") == "count" {
		return a.elsewhere(w, r)
	}
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return nil, err
	}
	id, err := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64)
	if err != nil {
		return nil, &schema.FieldError{Field: "id", Code: "SYNTAX", Issue: "must be an integer"}
	}
	if id < 0 || id > schema.MaxID {
		return nil, fmt.Errorf("%w: no entry has the id %d", schema.ErrNotFound, id)
	}
	if err := a.deletes.DeleteOne(request.Finished(r), p, uint64(id)); err != nil {
		return nil, err
	}
	return deletedOne{true, uint64(id)}, nil
}

func (a *API) deleteAll(_ http.ResponseWriter, r *http.Request) (any, error) {
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return nil, err
	}
	if err := a.deletes.DeleteAll(request.Finished(r), p); err != nil {
		return nil, err
	}
	return deletedAll{true, "All activity logs deleted"}, nil
}

// elsewhere answers for paths that do not exist and methods that a path does not support. In a process with the collector, the routes
// include its.
func (a *API) elsewhere(w http.ResponseWriter, r *http.Request) (any, error) {
	id, _ := strings.CutPrefix(r.URL.Path, path+"/")
	methods := api.Methods(r, func(pattern string) bool {
		return pattern != "/api/v1/*" && (pattern != path+"/{id}" || isID(id))
	})
	if methods == nil && r.URL.Path != path {
		return nil, fmt.Errorf("%w: no such path", schema.ErrNotFound)
	}
	return nil, reply.NotAllowed(w, strings.Join(methods, ", "))
}

func isID(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}
