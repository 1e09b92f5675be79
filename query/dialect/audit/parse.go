package audit

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
)

const defaultPageSize = 20

// parseListing reads all parameters of a list. page is the number of the page, or 0 with a cursor. The error joins all errors that
// it found.
func parseListing(r *http.Request) (l query.Listing, page int64, err error) {
	f, faults := parseFilter(r)
	v := r.URL.Query()
	l = query.Listing{Filter: f, Fields: query.Everything, Cursor: v.Get("cursor")}
	var err1, err2, err3 error
	l.Limit, err1 = request.Limit("pageSize", v.Get("pageSize"), defaultPageSize)
	page, err2 = request.Whole("page", v.Get("page"), 1, 1)
	l.Order, err3 = parseSort(v.Get("sort"))
	if l.Cursor != "" {
		page = 0
		if v.Get("page") != "" {
			err2 = &schema.FieldError{Field: "page", Code: "CONFLICT", Issue: "a cursor takes its place: send one of them"}
		}
	}
	if err := errors.Join(faults, err1, err2, err3); err != nil {
		return l, 0, err
	}
	l.Offset = offsetOf(page, int64(l.Limit))
	l.Whole = l.Cursor == "" // the caller may continue by page number
	return l, page, nil
}

// offsetOf returns the number of entries before a page, at most math.MaxInt64.
func offsetOf(page, size int64) int64 {
	if page-1 > math.MaxInt64/size {
		return math.MaxInt64
	}
	return max(page-1, 0) * size
}

func parseSort(s string) (query.Order, error) {
	switch s {
	case "", "createdAt:desc":
		return query.NewestFirst, nil
	case "createdAt:asc":
		return query.OldestFirst, nil
	}
	return 0, &schema.FieldError{Field: "sort", Code: "ENUM", Issue: "must be createdAt:desc or createdAt:asc"}
}

// parseFilter reads the filters from the path and from the parameters. An empty value means no filter. The error joins all errors that
// it found.
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
	var target schema.TargetMatch
	faults := parseTexts(v, &f, &target)
	faults = append(faults, parsePath(r, &f), parseExclusions(v, &f), parseWindow(v, &f))
	f.Want(target)
	return f, errors.Join(faults...)
}

func parseTexts(v url.Values, f *query.Filter, target *schema.TargetMatch) (faults []error) {
	for _, c := range [...]struct {
		name string
		dest *string
	}{
		{"userId", &f.ActorID},
		{"username", &f.Username},
		{"action", &f.Action},
		{"targetType", &target.Type},
		{"targetId", &target.ID},
		{"platform", &f.Platform},
		{"serial", &f.Device},
		{"requestId", &f.RequestID},
		{"search", &f.Search},
	} {
		*c.dest = v.Get(c.name)
		faults = append(faults, schema.CheckText(c.name, *c.dest, schema.MaxNameBytes))
	}
	return faults
}

// parsePath reads the filters in the path. Values that the route does not have are empty.
func parsePath(r *http.Request, f *query.Filter) error {
	var target schema.TargetMatch
	user, action := f.ActorID, f.Action
	var faults []error
	for _, c := range [...]struct {
		name string
		dest *string
	}{{"userId", &f.ActorID}, {"action", &f.Action}, {"targetType", &target.Type}, {"targetId", &target.ID}} {
		value, err := segment(r, c.name)
		if value != "" {
			*c.dest = value
		}
		faults = append(faults, err)
	}
	f.Want(target)
	return errors.Join(append(faults, same("userId", user, f.ActorID), same("action", action, f.Action))...)
}

// same refuses a parameter with another value than the path.
func same(name, parameter, path string) error {
	if parameter != "" && parameter != path {
		return &schema.FieldError{Field: name, Code: "CONFLICT", Issue: "the path names another one"}
	}
	return nil
}

// segment returns a decoded segment of the path. The router matches the raw path if it differs from Go's own encoding, as with a slash
// within a segment (%2F); then the value must be decoded here. Otherwise the router matches the decoded path.
func segment(r *http.Request, name string) (string, error) {
	value := chi.URLParam(r, name)
	if r.URL.RawPath != "" {
		var err error
		if value, err = url.PathUnescape(value); err != nil {
			return "", &schema.FieldError{Field: name, Code: "SYNTAX", Issue: "is not a segment of a URL"}
		}
	}
	return value, schema.CheckText(name, value, schema.MaxNameBytes)
}

// parseWindow reads startDate and endDate.
func parseWindow(v url.Values, f *query.Filter) error {
	start, err1 := request.ISOTime("startDate", v.Get("startDate"))
	end, err2 := request.ISOTime("endDate", v.Get("endDate"))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	return request.Window(f, start, end)
}

// parseID reads the id in the path: a UUID with dashes or, as in the things dialect, without. A UUID that no entry can have is
// ErrNotFound.
func parseID(r *http.Request) (uint64, error) {
	text := chi.URLParam(r, "id")
	u, err := uuid.Parse(text)
	if err != nil || len(text) != 36 && len(text) != 32 {
		return 0, &schema.FieldError{Field: "id", Code: "SYNTAX", Issue: "must be a UUID"}
	}
	id, err := schema.IDOfUUID(u)
	if err != nil {
		return 0, fmt.Errorf("%w: no entry has the id %s", schema.ErrNotFound, u)
	}
	return id, nil
}
