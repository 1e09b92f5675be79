// Package request reads what the requests of several dialects have in common: parameters, sizes of pages, times, and the
// position of a write that a read has to see. A fault is a *schema.FieldError with the name that the dialect gave.
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

// Values are r's parameters. What cannot be read is refused: it might have been a filter.
func Values(r *http.Request) (url.Values, error) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &schema.FieldError{Field: "query", Code: "SYNTAX", Issue: "cannot be read as name=value pairs"}
	}
	return v, nil
}

// Waiter waits until a position has been stored.
type Waiter interface {
	Await(ctx context.Context, p schema.Position) error
}

// Await makes a read wait for the position that its caller named in a header or as a parameter, so that it sees its own write.
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

// Limit reads the size of a page, otherwise when there is none; more than there may be is as much as there may be.
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

// Whole reads an integer of least or more, otherwise when there is none.
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

// Edge says which bound of a window a time is. Both are inclusive.
type Edge uint8

// The bounds of a window.
const (
	Start Edge = iota
	End
)

// layouts of ISO 8601. Each may have a fraction of the second; without an offset a time is in UTC.
var layouts = []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04"}

// ISOTime reads a time of ISO 8601 as Unix ms, what is below a ms cut off. A date alone is its first ms as a Start and its last
// as an End. A Start before all there can be is 0, which is no bound, and an End after all there can be is the last ms that there
// can be; empty is 0.
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
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		if edge == End {
			day = day.AddDate(0, 0, 1).Add(-time.Millisecond)
		}
		return day, nil
	}
	if before, after, ok := strings.Cut(text, " "); ok && strings.Contains(before, "T") {
		text = before + "+" + after // a plus that was sent without being escaped
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("no layout fits")
}
