package audit

import (
	"maps"
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
)

// deleted has the exact number of erased entries.
type deleted struct {
	DeletedCount uint64 `json:"deletedCount"`
}

func (a *API) eraseOne(w http.ResponseWriter, r *http.Request) (*answer, error) {
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
	if err := a.store.EraseOne(request.Finished(r), p, id); err != nil {
		return nil, err
	}
	return success(deleted{1}), nil
}

// erase erases the entries that match the filters. Unlike a list, it refuses empty parameters: an empty filter would erase more than was
// meant.
func (a *API) erase(_ http.ResponseWriter, r *http.Request) (*answer, error) {
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return nil, err
	}
	if err := checkFilters(r); err != nil {
		return nil, err
	}
	f, err := parseFilter(r)
	if err != nil {
		return nil, err
	}
	n, err := a.store.EraseMatching(request.Finished(r), p, f)
	if err != nil {
		return nil, err
	}
	return success(deleted{n}), nil
}

// filters are the parameters that select entries.
var filters = takes{
	"userId", "username", "action", "targetType", "targetId", "platform", "serial", "requestId", "search", "startDate", "endDate",
}

func checkFilters(r *http.Request) error {
	v, err := request.Values(r)
	if err != nil {
		return err
	}
	delete(v, "tenant") // checked with the credentials
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if err := checkFilter(name, v[name]); err != nil {
			return err
		}
	}
	if len(v) == 0 {
		return &schema.FieldError{Field: "filter", Code: "REQUIRED", Issue: "at least one filter is required"}
	}
	return nil
}

func checkFilter(name string, values []string) error {
	switch {
	case !slices.Contains(filters, name):
		return &schema.FieldError{Field: name, Code: "UNKNOWN", Issue: "is not a filter"}
	case values[0] == "":
		return &schema.FieldError{Field: name, Code: "REQUIRED", Issue: "must not be empty"}
	}
	return nil
}
