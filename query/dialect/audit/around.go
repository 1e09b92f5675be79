package audit

import (
	"errors"
	"net/http"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
)

// surroundings are an entry and what happened just before and after it.
type surroundings struct {
	Entry   item `json:"entry"`
	Earlier side `json:"earlier"`
	Later   side `json:"later"`
}

// side are the matching entries on one side of an entry, the nearest first. Its cursor continues it in a list with the same filters:
// the earlier ones newest first, the later ones oldest first.
type side struct {
	Items      []item  `json:"items"`
	NextCursor *string `json:"nextCursor"`
}

const defaultNear = 10

// around shows an entry and the entries that match the filters on both sides of it. The entry itself need not match.
func (a *API) around(_ http.ResponseWriter, r *http.Request) (*answer, error) {
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return nil, err
	}
	id, faults := parseID(r)
	l, err := parseNear(r)
	if err := errors.Join(faults, err); err != nil {
		return nil, err
	}
	if err := request.Await(r, a.store); err != nil {
		return nil, err
	}
	e, err := a.store.Get(r.Context(), p, id)
	if err != nil {
		return nil, err
	}
	l.Beyond = &query.Key{Timestamp: e.Timestamp, ID: e.ID}
	out := surroundings{Entry: itemAlone(p, &e)}
	if out.Earlier, err = a.side(r, l, query.NewestFirst); err != nil {
		return nil, err
	}
	if out.Later, err = a.side(r, l, query.OldestFirst); err != nil {
		return nil, err
	}
	return success(out), nil
}

func (a *API) side(r *http.Request, l query.Listing, order query.Order) (side, error) {
	l.Order = order
	page, err := a.store.List(r.Context(), l)
	return side{itemsOf(r, page.Entries), known(page.Next)}, err
}

// parseNear reads the filters and how many entries to show on each side.
func parseNear(r *http.Request) (l query.Listing, err error) {
	f, faults := parseFilter(r)
	l = query.Listing{Filter: f, Fields: query.Everything}
	l.Limit, err = request.Limit("pageSize", r.URL.Query().Get("pageSize"), defaultNear)
	return l, errors.Join(faults, err)
}
