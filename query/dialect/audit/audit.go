// Package audit serves the audit API under /api/v1/activity-logs, the native API of this product: administrators read, export,
// follow and erase entries and set their retention. Every answer is {"success":true,"data":…}, with "meta" for a list, or
// {"success":false,"message":…,"meta":{"requestId":…,"details":[…]}}, and carries X-Request-Id. Names are camelCase, times are
// ISO 8601 in UTC with milliseconds, missing values are null. Callers page by page and pageSize, or by the cursor in the meta of the
// page before. They need the role ADMIN, or Analyst to read.
package audit

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
	"github.com/activitylog/activitylog/query/retain"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// Reads answers lists and counts.
type Reads interface {
	Await(ctx context.Context, p schema.Position) error
	List(ctx context.Context, l query.Listing) (query.Page, error)
	Count(ctx context.Context, f query.Filter) (uint64, error)
}

// Details answers for single entries, statistics and the state of the service.
type Details interface {
	Get(ctx context.Context, p schema.Principal, id uint64) (schema.Entry, error)
	Stats(ctx context.Context, s query.Statistics) (query.Stats, error)
	Status(ctx context.Context, p schema.Principal) (query.Status, error)
}

// Streams opens exports and tails.
type Streams interface {
	OpenExport(ctx context.Context, x query.Export) (*query.Exporting, error)
	OpenTail(ctx context.Context, f query.Filter, position *stored.TailPosition) (*query.Tailing, error)
}

// Erasures erases entries for an administrator.
type Erasures interface {
	EraseOne(ctx context.Context, p schema.Principal, id uint64) error
	EraseMatching(ctx context.Context, p schema.Principal, f query.Filter) (uint64, error)
}

// Retentions reads and sets how long entries are kept, and cleans up.
type Retentions interface {
	Retention(ctx context.Context, p schema.Principal) (days int, err error)
	SetRetention(ctx context.Context, p schema.Principal, c retain.Change) (retain.Changed, error)
	Cleanup(ctx context.Context, p schema.Principal, days int) (uint64, error)
}

// Store has the packages that the dialect depends on.
type Store struct {
	Reads
	Details
	Streams
	Erasures
	Retentions
}

// API is the dialect over a Store.
type API struct {
	store Store
	log   *slog.Logger
	times times
}

// New makes the dialect.
func New(store Store, log *slog.Logger) *API {
	return &API{store, log, streamTimes}
}

const path = "/api/v1/activity-logs"

// What the routes take beside the filters, tenant and position.
var (
	listed   = with("page", "pageSize", "sort", "cursor")
	summed   = with()
	tallied  = with("groupBy", "interval", "top", "contains")
	exported = with("format", "bom", "snapshot", "after")
	streamed = with("lastEventId")
	near     = with("pageSize")
)

// with are names beside those of filters and exclusions.
func with(names ...string) takes {
	all := append(slices.Clone(filters), names...)
	for _, x := range exclusions {
		all = append(all, x.name)
	}
	return all
}

// Routes registers the endpoints. Literal segments win over {id}.
func (a *API) Routes(r chi.Router) {
	r.Get(path, a.handle(reading, listed, a.list))
	r.Get(path+"/user/{userId}", a.handle(reading, listed, a.list))
	r.Get(path+"/target/{targetType}/{targetId}", a.handle(reading, listed, a.list))
	r.Get(path+"/action/{action}", a.handle(reading, listed, a.list))
	r.Get(path+"/count", a.handle(reading, summed, a.count))
	r.Get(path+"/stats", a.handle(reading, tallied, a.stats))
	r.Get(path+"/export", a.handle(exporting, exported, a.export))
	r.Get(path+"/stream", a.handle(reading, streamed, a.stream))
	r.Post(path+"/cleanup", a.handle(administering, none, a.cleanup))
	r.Get(path+"/retention", a.handle(administering, none, a.retention))
	r.Put(path+"/retention", a.handle(administering, none, a.setRetention))
	r.Delete(path, a.handle(administering, filters, a.erase))
	r.Delete(path+"/{id}", a.handle(administering, none, a.eraseOne))
	r.Get(path+"/{id}", a.handle(reading, none, a.one))
	r.Get(path+"/{id}/around", a.handle(reading, near, a.around))
	r.Get(statusPath, a.status)
	r.HandleFunc(path+"*", a.handle(reading, anything, a.elsewhere))
}

// words are literal segments after the path, of this dialect's reads or of its writes. No entry has one as its id.
var words = []string{"count", "stats", "export", "stream", "cleanup", "retention", "batch"}

// list serves every route that lists entries. Values in the path are filters like the parameters.
func (a *API) list(_ http.ResponseWriter, r *http.Request) (*answer, error) {
	l, number, err := parseListing(r)
	if err != nil {
		return nil, err
	}
	if err := request.Await(r, a.store); err != nil {
		return nil, err
	}
	total, err := a.store.Count(r.Context(), l.Filter)
	if err != nil {
		return nil, err
	}
	var page query.Page
	if l.Cursor != "" || l.Offset < int64(total) { // a page past the end is the most expensive one, and is empty
		if page, err = a.store.List(r.Context(), l); err != nil {
			return nil, request.Renamed(err, "pageSize")
		}
	}
	return &answer{Success: true, Data: itemsOf(r, page.Entries), Meta: metaOf(number, l.Limit, request.Total(total, l, page), page.Next)}, nil
}

func itemsOf(r *http.Request, entries []schema.Entry) []item {
	p, _ := schema.PrincipalOf(r.Context()) // there is one: the entries were read for it
	items := make([]item, len(entries))
	for i := range entries {
		items[i] = itemFor(p, &entries[i])
	}
	return items
}

func (a *API) count(_ http.ResponseWriter, r *http.Request) (*answer, error) {
	f, err := parseFilter(r)
	if err != nil {
		return nil, err
	}
	if err := request.Await(r, a.store); err != nil {
		return nil, err
	}
	n, err := a.store.Count(r.Context(), f)
	return success(counted{n}), err
}

func (a *API) one(w http.ResponseWriter, r *http.Request) (*answer, error) {
	if slices.Contains(words, chi.URLParam(r, "id")) {
		return a.elsewhere(w, r)
	}
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return nil, err
	}
	id, err := parseID(r)
	if err != nil {
		return nil, err
	}
	if err := request.Await(r, a.store); err != nil {
		return nil, err
	}
	e, err := a.store.Get(r.Context(), p, id)
	if err != nil {
		return nil, err
	}
	return success(itemAlone(p, &e)), nil
}

// elsewhere answers for paths that do not exist and methods that a path does not support. In a process with the collector, the routes
// include its.
func (a *API) elsewhere(w http.ResponseWriter, r *http.Request) (*answer, error) {
	_, last, _ := strings.Cut(r.URL.Path, path+"/")
	word := slices.Contains(words, last)
	methods := api.Methods(r, func(pattern string) bool {
		return pattern != path+"*" && (!word || pattern != path+"/{id}")
	})
	if methods == nil && !word {
		return nil, fmt.Errorf("%w: no such path", schema.ErrNotFound)
	}
	if methods == nil { // the word is a path of the writes, which another process serves
		methods = []string{http.MethodPost}
	}
	return nil, reply.NotAllowed(w, strings.Join(methods, ", "))
}
