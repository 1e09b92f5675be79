// Package request reads what the requests of several dialects share: parameters, page sizes, times, and the position of a write that
// a read must see. Errors are *schema.FieldErrors with the parameter's name in the dialect.
package request

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/schema"
)

// Values are r's parameters. An unreadable query is refused, because it might contain a filter.
func Values(r *http.Request) (url.Values, error) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &schema.FieldError{Field: "query", Code: "SYNTAX", Issue: "cannot be read as name=value pairs"}
	}
	return v, nil
}

// Finished is the context of a request that changes something. What it asks for is finished also if its caller leaves: half of an
// erasure would surprise more than all of it. Whatever it calls bounds its time by itself.
func Finished(r *http.Request) context.Context { return context.WithoutCancel(r.Context()) }

// Waiter waits until a position has been stored.
type Waiter interface {
	Await(ctx context.Context, p schema.Position) error
}

// Await waits until the position that the caller sent, in a header or as a parameter, is stored, so that the read shows that write.
func Await(r *http.Request, store Waiter) error {
	text := r.Header.Get(schema.PositionHeader)
	if text == "" {
		text = r.URL.Query().Get("position")
	}
	p, err := schema.ParsePosition(text)
	if err != nil {
		return err
	}
	return store.Await(r.Context(), p)
}

// Limit reads the size of a page; otherwise is the default. Larger values mean query.MaxLimit.
func Limit(name, text string, otherwise int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if errors.Is(err, strconv.ErrRange) && !strings.HasPrefix(text, "-") {
		return query.MaxLimit, nil
	}
	if err != nil {
		n = 0
	}
	return min(n, query.MaxLimit), atLeast(name, int64(n), 1)
}

// Renamed gives an error of the page's limit the name that the limit has in the dialect.
func Renamed(err error, limit string) error {
	var f *schema.FieldError
	if !errors.As(err, &f) || f.Field != "limit" {
		return err
	}
	own := *f
	own.Field = limit
	return &own
}

// Whole reads an integer of least or more; otherwise is the default.
func Whole(name, text string, least, otherwise int64) (int64, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		n = least - 1
	}
	return n, atLeast(name, n, least)
}

func atLeast(name string, n, least int64) error {
	if n < least {
		return &schema.FieldError{Field: name, Code: "RANGE", Issue: fmt.Sprintf("must be an integer of %d or more", least)}
	}
	return nil
}

// Edge says which bound of a time window a value is. Both bounds are inclusive.
type Edge uint8

// The bounds of a time window.
const (
	Start Edge = iota
	End
)

// ISOTime reads a time of ISO 8601 (schema.ParseISO8601) as Unix ms, rounded down. A date alone is its first ms as a Start and its
// last ms as an End. A Start before schema.MinTimestamp is 0, which means no bound; an End after schema.MaxTimestamp is
// schema.MaxTimestamp. An empty text is 0.
func ISOTime(name, text string, edge Edge) (int64, error) {
	if text == "" {
		return 0, nil
	}
	t, err := parseISO(text, edge)
	if err != nil {
		return 0, &schema.FieldError{Field: name, Code: "SYNTAX", Issue: "must be a time of ISO 8601, such as 2024-03-15T10:30:00Z or 2024-03-15"}
	}
	ms := t.UnixMilli()
	switch {
	case edge == Start && ms < schema.MinTimestamp:
		return 0, nil
	case edge == End && ms > schema.MaxTimestamp:
		return schema.MaxTimestamp, nil
	}
	return ms, schema.CheckTimestamp(name, ms)
}

func parseISO(text string, edge Edge) (time.Time, error) {
	if before, after, ok := strings.Cut(text, " "); ok && strings.Contains(before, "T") {
		text = before + "+" + after // a plus in a URL that was not escaped arrives as a space
	}
	t, dateOnly, err := schema.ParseISO8601(text)
	if dateOnly && edge == End {
		t = t.AddDate(0, 0, 1).Add(-time.Millisecond)
	}
	return t, err
}
