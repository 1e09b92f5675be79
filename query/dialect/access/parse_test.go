package access

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/schema"
)

func filter(t testing.TB) query.Filter {
	t.Helper()
	f, err := query.NewFilter(schema.Anonymous())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Some programs put a byte order mark before UTF-8.
func TestBOM(t *testing.T) {
	const bom = "\xef\xbb\xbf"
	for body, limit := range map[string]int{bom + `{"limit":7}`: 7, bom + " {\"limit\": 7.0}\n": 7, bom: defaultLimit, bom + "{}": defaultLimit, bom + bom + "{}": 0, "{}" + bom: 0, "{" + bom + "}": 0} {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		text, err := read(httptest.NewRecorder(), r)
		if err != nil {
			t.Fatal(err)
		}
		l, err := parse(text, filter(t))
		if (err == nil) != (limit > 0) || err == nil && l.Limit != limit {
			t.Errorf("%q: got %d, %v, want %d", body, l.Limit, err, limit)
		}
	}
}

// An empty time filters nothing, like any empty value. Fractions of a millisecond are cut off, as when an entry is written.
func TestBounds(t *testing.T) {
	const at = 1_710_504_000_123
	for body, want := range map[string]struct {
		start, end int64
		order      query.Order
	}{
		`{"start":"","end":"","limit":""}`:                                            {0, 0, query.NewestFirst},
		`{"start":"2024-03-15T12:00:00.123456Z"}`:                                     {at, 0, query.OldestFirst},
		`{"start":1710504000.123456,"end":1710504000.123456}`:                         {at, at, query.OldestFirst},
		`{"start":1710504000123.9}`:                                                   {at, 0, query.OldestFirst},
		`{"start":"2024-03-15T12:00:00.123456Z","end":"2024-03-15T12:00:00.123456Z"}`: {at, at, query.OldestFirst},
		`{"start":" "}`: {-1, 0, 0},
	} {
		l, err := parse([]byte(body), filter(t))
		if (err != nil) != (want.start < 0) || err == nil && (l.Filter.Start != want.start || l.Filter.End != want.end || l.Order != want.order) {
			t.Errorf("%s: got %d to %d in order %v, %v", body, l.Filter.Start, l.Filter.End, l.Order, err)
		}
	}
}

// FuzzBody checks that each body is either refused with an error of a field or becomes a valid listing.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"start": 1662364800000, "end": 1662451200000, "limit": 50}`, `{"nextToken":"x","order":"asc"}`,
		`{"start":1.5,"end":1e300,"limit":1e400}`, `{"start":-0,"end":"1"}`, `{"limit":99999999999999999999}`, `[1]`, `{"end":0.9}`,
		`{"activityType":"a","userId":"b","platform":"c","serial":"d"}`, "{\"serial\":\"\\u0000\"}", "null", `{"limit":}`,
	} {
		f.Add([]byte(seed))
	}
	all := filter(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		l, err := parse(body, all)
		var field *schema.FieldError
		if err != nil {
			if !errors.As(err, &field) || field.Field == "" {
				t.Errorf("%q: %v is not an error of a field", body, err)
			}
			return
		}
		if l.Limit < 1 || l.Limit > query.MaxLimit || !l.Snapshot || l.Offset != 0 {
			t.Errorf("%q: got %+v", body, l)
		}
		if err := l.Filter.Validate(); err != nil {
			t.Errorf("%q: the filter %+v is refused: %v", body, l.Filter, err)
		}
	})
}

// FuzzDetails checks that an entry's details are always an object that keeps every member as it was sent.
func FuzzDetails(f *testing.F) {
	f.Add(`{"a":1}`, "u", "n", "text")
	f.Add(` { "userId" : null } `, "u", "", "")
	f.Add(`{}`, "", "n", "")
	f.Add("", "", "", "")
	f.Add(`{"cut`, "u", "<", "\xff")
	f.Fuzz(func(t *testing.T, details, id, name, text string) {
		e := schema.Entry{ActorID: id, ActorName: name, Detail: text, Details: details}
		var got, sent map[string]json.RawMessage
		if err := json.Unmarshal(reply.JSON(detailsOf(&e)), &got); err != nil || got == nil {
			t.Fatalf("details of %q: %v", details, err)
		}
		if json.Unmarshal([]byte(details), &sent) != nil {
			sent = nil
		}
		for name, value := range sent {
			if string(reply.JSON(value)) != string(got[name]) {
				t.Errorf("details of %q: %s is %s", details, name, got[name])
			}
		}
		if _, taken := sent["userId"]; !taken && (id != "") != (got["userId"] != nil) {
			t.Errorf("details of %q: userId is %s of %q", details, got["userId"], id)
		}
	})
}
