package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

const (
	defaultLimit = 50
	// maxBody is enough for the token of a topic with 4096 partitions and for all filters.
	maxBody = 64 << 10
)

// read reads the body of a request, which must be JSON unless it is empty.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return nil, &schema.FieldError{Field: "body", Code: "TOO_LARGE", Issue: fmt.Sprintf("at most %d bytes", maxBody), Kind: schema.ErrTooLarge}
	case err != nil:
		return nil, api.BodyError(r, err)
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, &schema.FieldError{Field: "Content-Encoding", Code: "UNSUPPORTED", Issue: "must be identity", Kind: schema.ErrUnsupported}
	}
	if t := r.Header.Get("Content-Type"); t == "" && len(body) > 0 || t != "" && !isJSON(t) {
		return nil, &schema.FieldError{Field: "Content-Type", Code: "UNSUPPORTED", Issue: "must be application/json", Kind: schema.ErrUnsupported}
	}
	return request.WithoutBOM(body), nil
}

func isJSON(contentType string) bool {
	t, params, err := mime.ParseMediaType(contentType)
	charset := params["charset"]
	return err == nil && t == "application/json" && (charset == "" || strings.EqualFold(charset, "utf-8"))
}

// fields are the members of a request by their case-sensitive names. Unknown members are ignored; null means absent.
type fields map[string]json.RawMessage

// parse reads a body into a listing within the filter f.
func parse(body []byte, f query.Filter) (query.Listing, error) {
	l := query.Listing{Filter: f, Fields: query.Everything, Limit: defaultLimit, Snapshot: true}
	var v fields
	if strings.TrimSpace(string(body)) != "" {
		if err := json.Unmarshal(body, &v); err != nil {
			return l, &schema.FieldError{Field: "body", Code: "SYNTAX", Issue: "must be a JSON object"}
		}
	}
	if err := v.texts(&l); err != nil {
		return l, err
	}
	if err := v.window(&l); err != nil {
		return l, err
	}
	if err := v.limit(&l); err != nil {
		return l, err
	}
	return l, v.order(&l)
}

// texts reads the token and the exact filters. An empty value means no filter.
func (v fields) texts(l *query.Listing) error {
	for _, c := range [...]struct {
		name string
		dest *string
		most int
	}{
		{"nextToken", &l.Cursor, maxBody},
		{"activityType", &l.Filter.Action, schema.MaxNameBytes},
		{"userId", &l.Filter.ActorID, schema.MaxNameBytes},
		{"platform", &l.Filter.Platform, schema.MaxNameBytes},
		{"serial", &l.Filter.Device, schema.MaxNameBytes},
	} {
		if err := v.text(c.name, c.dest); err != nil {
			return err
		}
		if err := schema.CheckText(c.name, *c.dest, c.most); err != nil {
			return err
		}
	}
	return nil
}

func (v fields) text(name string, dest *string) error {
	if v.has(name) && json.Unmarshal(v[name], dest) != nil {
		return &schema.FieldError{Field: name, Code: "TYPE", Issue: "must be a string"}
	}
	return nil
}

func (v fields) has(name string) bool { return v[name] != nil && string(v[name]) != "null" }

// given reports whether the request has the member, and it is not empty.
func (v fields) given(name string) bool { return v.has(name) && string(v[name]) != `""` }

func isNumber(text json.RawMessage) bool { return text[0] == '-' || text[0] >= '0' && text[0] <= '9' }

// window reads start and end.
func (v fields) window(l *query.Listing) error {
	start, err := v.time("start")
	if err != nil {
		return err
	}
	end, err := v.time("end")
	if err != nil {
		return err
	}
	return request.Window(&l.Filter, start, end)
}

// time reads Unix seconds or milliseconds, or a text that is a time of ISO 8601. An empty text means no filter.
func (v fields) time(name string) (request.Bound, error) {
	if !v.given(name) {
		return request.Bound{Name: name}, nil
	}
	var text string
	if json.Unmarshal(v[name], &text) == nil {
		if at, err := schema.ParseISO(text); err == nil {
			return request.Bound{Name: name, At: at, Given: true}, nil
		}
	}
	if !isNumber(v[name]) {
		return request.Bound{}, &schema.FieldError{Field: name, Code: "TYPE", Issue: "must be a number of Unix seconds or milliseconds, or a text such as 2024-03-15T10:30:00Z"}
	}
	at, err := schema.ParseUnix(name, string(v[name]))
	return request.Bound{Name: name, At: at, Given: true}, err
}

// limit reads the size of a page. Larger values mean query.MaxLimit.
func (v fields) limit(l *query.Listing) error {
	if !v.given("limit") {
		return nil
	}
	if !isNumber(v["limit"]) {
		return &schema.FieldError{Field: "limit", Code: "TYPE", Issue: "must be a number"}
	}
	n, ok := schema.ParseInteger(string(v["limit"]))
	if !ok || n < 1 {
		return &schema.FieldError{Field: "limit", Code: "RANGE", Issue: "must be an integer of 1 or more"}
	}
	l.Limit = int(min(n, query.MaxLimit))
	return nil
}

// order reads the order. By default it is oldest first with a start, as in the API's document, and newest first without one.
func (v fields) order(l *query.Listing) error {
	var order string
	if err := v.text("order", &order); err != nil {
		return err
	}
	switch {
	case order == "asc", order == "" && v.given("start"):
		l.Order = query.OldestFirst
	case order == "desc", order == "":
		l.Order = query.NewestFirst
	default:
		return &schema.FieldError{Field: "order", Code: "ENUM", Issue: "must be asc or desc"}
	}
	return nil
}
