package fleet

import (
	"net/http"
	"net/url"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
)

const defaultLimit = 100

func parseListing(r *http.Request) (query.Listing, error) {
	f, err := parseFilter(r)
	if err != nil {
		return query.Listing{}, err
	}
	v := r.URL.Query()
	l := query.Listing{Filter: f, Limit: defaultLimit, Cursor: v.Get("cursor")}
	if l.Limit, err = request.Limit("limit", v.Get("limit"), defaultLimit); err != nil {
		return l, err
	}
	if l.Offset, err = request.Whole("offset", v.Get("offset"), 0, 0); err != nil {
		return l, err
	}
	l.Whole = l.Cursor == "" // the caller may continue by offset
	switch v.Get("order") {
	case "", "desc":
	case "asc":
		l.Order = query.OldestFirst
	default:
		return l, &schema.FieldError{Field: "order", Code: "ENUM", Issue: "must be asc or desc"}
	}
	return l, nil
}

// parseFilter reads the filters. An empty value means no filter.
func parseFilter(r *http.Request) (query.Filter, error) {
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return query.Filter{}, err
	}
	f, err := query.NewFilter(p)
	if err != nil {
		return f, err
	}
	v, err := request.Values(r)
	if err != nil {
		return f, err
	}
	for _, c := range [...]struct {
		name string
		dest *string
	}{
		{"platform", &f.Platform},
		{"serial", &f.Device},
		{"action_type", &f.Action},
		{"username", &f.Username},
		{"search", &f.Search},
	} {
		*c.dest = v.Get(c.name)
		if err := schema.CheckText(c.name, *c.dest, schema.MaxNameBytes); err != nil {
			return f, err
		}
	}
	err = parseWindow(v, &f)
	return f, err
}

// parseWindow reads start and end.
func parseWindow(v url.Values, f *query.Filter) error {
	start, err := request.Time("start", v.Get("start"))
	if err != nil {
		return err
	}
	end, err := request.Time("end", v.Get("end"))
	if err != nil {
		return err
	}
	return request.Window(f, start, end)
}
