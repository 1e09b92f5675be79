// Package request reads what the requests of several dialects share: parameters, page sizes, times, and the position of a write that
// a read must see. Errors are *schema.FieldErrors with the parameter's name in the dialect.
package request

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// Values are r's parameters. An unreadable query is refused, because it might contain a filter.
func Values(r *http.Request) (url.Values, error) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &schema.FieldError{Field: "query", Code: "SYNTAX", Issue: "cannot be read as name=value pairs"}
	}
	return v, nil
}

// WithoutBOM returns a body without the byte order mark that some programs put before UTF-8.
func WithoutBOM(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) }

// Finished returns the context for a request that changes something. The change is completed even if the caller leaves: half an erasure
// would be more surprising than a whole one. The called functions limit their own time.
func Finished(r *http.Request) context.Context { return context.WithoutCancel(r.Context()) }

// Failure returns an internal error that the service found before the endpoint ran, for example a panic of this endpoint. It returns nil
// for every other refusal: the endpoints answer those.
func Failure(r *http.Request) error {
	if _, err := schema.PrincipalOf(r.Context()); err != nil && api.Status(err) == http.StatusInternalServerError {
		return err
	}
	return nil
}

// Waiter waits until a position has been stored.
type Waiter interface {
	Await(ctx context.Context, p schema.Position) error
}

// Await waits until the position that the caller sent, in a header or as a parameter, is stored, so that the read shows that write.
// What is wrong with the position is said under the name that the caller gave it.
func Await(r *http.Request, store Waiter) error {
	name, text, err := positionOf(r)
	if err != nil {
		return err
	}
	p, err := schema.ParsePosition(text)
	if err == nil {
		err = store.Await(r.Context(), p)
	}
	var f *schema.FieldError
	if !errors.As(err, &f) || f.Field != "position" {
		return err
	}
	own := *f
	own.Field = name
	return &own
}

// positionOf returns the position in the header or the parameter, and the name that it has there. The case of the parameter's name does
// not matter, as that of tenant. Of several, all that are not empty must be equal: a read that waits for one of them might not show the
// other write.
func positionOf(r *http.Request) (name, text string, err error) {
	type position struct{ name, text string }
	var given []position
	for _, text := range r.Header.Values(schema.PositionHeader) {
		given = append(given, position{schema.PositionHeader, text})
	}
	parameters := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if strings.EqualFold(name, "position") {
			for _, text := range parameters[name] {
				given = append(given, position{name, text})
			}
		}
	}
	for _, p := range given {
		switch {
		case p.text == "" || p.text == text:
		case text != "":
			return "", "", &schema.FieldError{Field: p.name, Code: "CONFLICT", Issue: "is given more than once, with different values"}
		default:
			name, text = p.name, p.text
		}
	}
	return name, text, nil
}

// Total returns the number of entries that a listing has, of which counted were found before its page was read. It is never less than
// what the page shows: entries may have been stored meanwhile.
func Total(counted uint64, l query.Listing, p query.Page) uint64 {
	if len(p.Entries) == 0 {
		return counted
	}
	shown := uint64(l.Offset) + uint64(len(p.Entries))
	if p.Next != "" {
		shown++
	}
	return max(counted, shown)
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

// Renamed sets the field name of an error about the page's limit to the name of the limit in the dialect.
func Renamed(err error, limit string) error {
	var f *schema.FieldError
	if !errors.As(err, &f) || f.Field != "limit" {
		return err
	}
	own := *f
	own.Field = limit
	return &own
}

// Flag reads true or false; false is the default.
func Flag(name, text string) (bool, error) {
	switch strings.ToLower(text) {
	case "", "false", "0":
		return false, nil
	case "true", "1":
		return true, nil
	}
	return false, &schema.FieldError{Field: name, Code: "ENUM", Issue: "must be true or false"}
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
