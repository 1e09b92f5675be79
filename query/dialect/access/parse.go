package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/activitylog/activitylog/query"
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
	return body, nil
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

// number reads a JSON number. A number too large for a float64 is infinite.
func (v fields) number(name, what string) (float64, error) {
	n, err := strconv.ParseFloat(string(v[name]), 64)
	if c := v[name][0]; c != '-' && (c < '0' || c > '9') || err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, &schema.FieldError{Field: name, Code: "TYPE", Issue: "must be a number" + what}
	}
	return n, nil
}

// window reads start and end, both inclusive. Fractions of a ms are rounded inwards. A start before the earliest possible time and
// an end after the latest are no bounds.
func (v fields) window(l *query.Listing) error {
	start, end := math.Inf(-1), math.Inf(1)
	var err error
	if v.has("start") {
		if start, err = v.number("start", ", Unix ms"); err != nil {
			return err
		}
	}
	if v.has("end") {
		if end, err = v.number("end", ", Unix ms"); err != nil {
			return err
		}
	}
	if start > end {
		return &schema.FieldError{Field: "start", Code: "RANGE", Issue: "must not be after end"}
	}
	if start > float64(schema.MaxTimestamp) {
		return schema.CheckTimestamp("start", math.MaxInt64)
	}
	if end < float64(schema.MinTimestamp) {
		return schema.CheckTimestamp("end", 0)
	}
	if start >= float64(schema.MinTimestamp) {
		l.Filter.Start = int64(math.Ceil(start))
	}
	if end < float64(schema.MaxTimestamp) {
		l.Filter.End = int64(math.Floor(end))
	}
	if l.Filter.End != 0 && l.Filter.Start > l.Filter.End { // between 1.2 and 1.8 there is no whole ms
		return &schema.FieldError{Field: "start", Code: "RANGE", Issue: "must not be after end, in whole ms"}
	}
	return nil
}

// limit reads the size of a page. Larger values mean query.MaxLimit.
func (v fields) limit(l *query.Listing) error {
	if !v.has("limit") {
		return nil
	}
	n, err := v.number("limit", "")
	if err != nil {
		return err
	}
	if n < 1 || n != math.Trunc(n) {
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
	case order == "asc", order == "" && v.has("start"):
		l.Order = query.OldestFirst
	case order == "desc", order == "":
		l.Order = query.NewestFirst
	default:
		return &schema.FieldError{Field: "order", Code: "ENUM", Issue: "must be asc or desc"}
	}
	return nil
}
