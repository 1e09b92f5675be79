package fleet

import (
	"net/http"
	"net/url"
	"strconv"

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
	l.Whole = l.Cursor == "" // the caller may go on by offset
	switch v.Get("order") {
	case "", "desc":
	case "asc":
		l.Order = query.OldestFirst
	default:
		return l, &schema.FieldError{Field: "order", Code: "ENUM", Issue: "must be asc or desc"}
	}
	return l, nil
}

// parseFilter reads the filters. An empty value means no filter; unknown parameters are ignored.
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

// parseWindow reads start and end, both inclusive. An end in seconds includes the whole second, because answers show timestamps in
// whole seconds.
func parseWindow(v url.Values, f *query.Filter) error {
	var err error
	if f.Start, err = parseTime("start", v.Get("start"), 0); err != nil {
		return err
	}
	if f.End, err = parseTime("end", v.Get("end"), 999); err != nil {
		return err
	}
	if f.End != 0 && f.Start > f.End {
		return &schema.FieldError{Field: "start", Code: "RANGE", Issue: "must not be after end"}
	}
	return nil
}

// minMillis is the least number that is read as Unix milliseconds and not as seconds: 1e11 s would be the year 5138.
const minMillis = 100_000_000_000

// parseTime reads Unix seconds or milliseconds as Unix ms; within is added to a time in seconds. An empty text is 0.
func parseTime(name, s string, within int64) (int64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, &schema.FieldError{Field: name, Code: "SYNTAX", Issue: "must be an integer, Unix seconds"}
	}
	if n >= 0 && n < minMillis {
		n = n*1000 + within
	}
	if n != 0 {
		return n, schema.CheckTimestamp(name, n)
	}
	return 0, nil
}
