package fleet

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/schema"
)

func requestOf(rawQuery string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.URL.RawQuery = rawQuery
	return r.WithContext(schema.WithPrincipal(r.Context(), schema.Anonymous()))
}

func TestParseListing(t *testing.T) {
	l, err := parseListing(requestOf("platform=tiktok&serial=d&action_type=post&username=ann&search=two+words&start=17&end=1707725000000&limit=7&offset=9&order=asc"))
	if err != nil {
		t.Fatal(err)
	}
	f, _ := query.NewFilter(schema.Anonymous())
	f.Platform, f.Device, f.Action, f.Username, f.Search, f.Start, f.End = "tiktok", "d", "post", "ann", "two words", 17_000, 1_707_725_000_000
	if want := (query.Listing{Filter: f, Order: query.OldestFirst, Limit: 7, Offset: 9, Whole: true}); l != want {
		t.Errorf("got %+v, want %+v", l, want)
	}
	for given, want := range map[string]int64{
		"0": 999, "1": 1999, "4291747199": schema.MaxTimestamp, "99999999999": schema.MaxTimestamp, "100000000000": 100_000_000_000,
		"253402300799": schema.MaxTimestamp, "1707725000.0": 1_707_725_000_999, "1707725000.5": 1_707_725_000_500,
		"2024-02-12T08:03:20Z": 1_707_725_000_999, "2024-02-12 09:03:20 0100": 1_707_725_000_999, "2024-02-12": 1_707_782_399_999,
		"1707725000000000": 0, "noon": 0,
	} {
		l, err := parseListing(requestOf("end=" + url.QueryEscape(given)))
		if (err == nil) != (want != 0) || err == nil && l.Filter.End != want {
			t.Errorf("end %s: got %d, %v, want %d", given, l.Filter.End, err, want)
		}
	}
}

func TestUnauthenticated(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if _, err := parseListing(r); !errors.Is(err, schema.ErrUnauthenticated) {
		t.Errorf("got %v, want unauthenticated", err)
	}
}

func FuzzParseListing(f *testing.F) {
	for _, seed := range []string{"", "limit=-1", "start=1&end=99999999999999999999", "platform=%zz", "serial=%00&;", "order=asc&offset=1e3&cursor=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, rawQuery string) {
		l, err := parseListing(requestOf(rawQuery))
		var field *schema.FieldError
		switch {
		case err != nil && !errors.As(err, &field):
			t.Errorf("%q: %v names no field", rawQuery, err)
		case err == nil && (l.Limit < 1 || l.Limit > query.MaxLimit || l.Offset < 0 || l.Filter.Start < 0 || l.Filter.End < 0):
			t.Errorf("%q: got %+v", rawQuery, l)
		}
	})
}
