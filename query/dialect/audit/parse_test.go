package audit

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/query/retain"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

func requestOf(rawQuery string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.URL.RawQuery = rawQuery
	return r.WithContext(schema.WithPrincipal(r.Context(), schema.Anonymous()))
}

func TestParseListing(t *testing.T) {
	l, page, err := parseListing(requestOf("userId=u&username=ann&action=post&targetType=T&targetId=1&platform=p&serial=d&requestId=r&search=two+words" +
		"&startDate=2024-02-12T09:23:20%2B01:00&endDate=2024-02-12&page=4&pageSize=7&sort=createdAt:asc"))
	if err != nil {
		t.Fatal(err)
	}
	f, _ := query.NewFilter(schema.Anonymous())
	f.ActorID, f.Username, f.Action, f.Platform, f.Device, f.RequestID, f.Search = "u", "ann", "post", "p", "d", "r", "two words"
	f.Want(schema.TargetMatch{Type: "T", ID: "1"})
	f.Start, f.End = 1_707_726_200_000, 1_707_782_399_999
	want := query.Listing{Filter: f, Order: query.OldestFirst, Fields: query.Everything, Limit: 7, Offset: 21, Whole: true}
	if l != want || page != 4 {
		t.Errorf("got page %d, %+v, want 4, %+v", page, l, want)
	}
}

// Numbers of pages count entries, so a page that a caller may follow by number is whole. One by a cursor may end early.
func TestWhichPagesAreWhole(t *testing.T) {
	for query, want := range map[string]bool{"": true, "pageSize=1000": true, "page=1": true, "page=3": true, "cursor=x": false, "cursor=x&pageSize=1000": false} {
		if l, _, err := parseListing(requestOf(query)); err != nil || l.Whole != want {
			t.Errorf("%s: got %v, %v, want %v", query, l.Whole, err, want)
		}
	}
}

func TestSegment(t *testing.T) {
	for sent, want := range map[string]string{
		"a": "a", "a%2Fb": "a/b", "a%252Fb": "a%2Fb", "a%25": "a%", "a%2D%25": "a-%", "%C3%A9+%20": "é+ ", "a%3Fb%23": "a?b#", "%2F": "/",
	} {
		got := ""
		r := chi.NewRouter()
		r.Get("/user/{userId}", func(_ http.ResponseWriter, r *http.Request) {
			var err error
			if got, err = segment(r, "userId"); err != nil {
				t.Errorf("%s: %v", sent, err)
			}
		})
		r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/user/"+sent, nil))
		if got != want {
			t.Errorf("%s: got %q, want %q", sent, got, want)
		}
	}
}

func FuzzParseListing(f *testing.F) {
	for _, seed := range []string{"", "page=-1", "page=9223372036854775807&pageSize=1000", "startDate=1&endDate=2024-03-15T10:30:00+01:00", "userId=%zz", "search=%00&;", "sort=createdAt:asc&cursor=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, rawQuery string) {
		l, page, err := parseListing(requestOf(rawQuery))
		switch {
		case err != nil && (api.Status(err) >= 500 || len(detailsIn(err)) == 0):
			t.Errorf("%q: %v names no field", rawQuery, err)
		case err == nil && (l.Limit < 1 || l.Limit > query.MaxLimit || l.Offset < 0 || page < 0 || l.Filter.Start < 0 || l.Filter.End < 0):
			t.Errorf("%q: got page %d, %+v", rawQuery, page, l)
		}
	})
}

func TestDetails(t *testing.T) {
	for _, c := range []struct{ text, details, want string }{
		{"", "", `null`},
		{"", `{}`, `{}`},
		{"", ` { "a" : 1 } `, `{"a":1}`},
		{"<text>", "", `{"detail":"<text>"}`},
		{"text", `{}`, `{"detail":"text"}`},
		{"text", "{\"b\": 2, \"a\": {\"detail\": 1}}\n", `{"b":2,"a":{"detail":1},"detail":"text"}`},
		{"text", `{"detail": "own"}`, `{"detail":"own"}`},
		{"text", `not JSON`, `{"unreadable":"not JSON"}`},
		{"", `[1]`, `{"unreadable":"[1]"}`},
		{"text", `null`, `{"detail":"text"}`},
	} {
		got := reply.JSON(itemOf(&schema.Entry{Detail: c.text, Details: c.details}).Details)
		if string(got) != c.want {
			t.Errorf("text %q, details %q: got %s, want %s", c.text, c.details, got, c.want)
		}
	}
}

func FuzzDetails(f *testing.F) {
	f.Add("text", `{"a": 1}`)
	f.Add("", "{} ")
	f.Add("\xff", `{"detail":null,"detail":1}`)
	f.Fuzz(func(t *testing.T, text, details string) {
		got := reply.JSON(itemOf(&schema.Entry{Detail: text, Details: details}))
		var back struct {
			Details map[string]any `json:"details"`
		}
		if err := json.Unmarshal(got, &back); err != nil {
			t.Errorf("text %q, details %q: %v in %s", text, details, err, got)
		}
		if back.Details == nil && text != "" {
			t.Errorf("text %q, details %q: lost in %s", text, details, got)
		}
	})
}

// TestRequestID checks that an answer has the same id in its header and in its body.
func TestRequestID(t *testing.T) {
	fail := func(http.ResponseWriter, *http.Request) (*answer, error) { return nil, schema.Missing("x") }
	for given, echoed := range map[string]bool{"r-1": true, "": false, "two words": false} {
		r := requestOf("")
		r.Header.Set(api.RequestIDHeader, given)
		w := httptest.NewRecorder()
		New(Store{}, slog.New(slog.DiscardHandler)).handle(reading, anything, fail)(w, r)
		got := w.Header().Get(api.RequestIDHeader)
		var body refusal
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || got == "" || (got == given) != echoed || body.Meta.RequestID != got {
			t.Errorf("given %q: got %q in the header, %v, %+v in the body", given, got, err, body)
		}
	}
}

// TestStreams tests an endpoint that writes its answer itself.
func TestStreams(t *testing.T) {
	w := httptest.NewRecorder()
	New(Store{}, slog.New(slog.DiscardHandler)).handle(reading, anything, func(w http.ResponseWriter, _ *http.Request) (*answer, error) {
		_, err := w.Write([]byte("data: 1\n\n"))
		return nil, err
	})(w, requestOf(""))
	if got, want := w.Body.String(), "data: 1\n\n"; got != want || w.Code != http.StatusOK || w.Header().Get(api.RequestIDHeader) == "" {
		t.Errorf("got %d, %v, %q, want %q", w.Code, w.Header(), got, want)
	}
}

func TestNeeds(t *testing.T) {
	done := func(http.ResponseWriter, *http.Request) (*answer, error) { return success(1), nil }
	read, all := []schema.Scope{schema.ScopeRead}, schema.Scopes()
	for _, c := range []struct {
		role   string
		scopes []schema.Scope
		needs  needs
		want   int
	}{
		{"ADMIN", read, reading, 200},
		{"ADMIN", read, exporting, 403},
		{"ADMIN", read, administering, 403},
		{"ADMIN", all, exporting, 200},
		{"ADMIN", all, administering, 200},
		{"admin", read, reading, 200},
		{"Admin", all, administering, 200},
		{"Analyst", read, reading, 200},
		{"ANALYST", read, exporting, 200},
		{"analyst", all, administering, 403},
		{"Analyst", []schema.Scope{schema.ScopeIngest}, reading, 403},
		{"Analyst", []schema.Scope{schema.ScopeIngest}, exporting, 403},
		{"AccessAdmin", all, reading, 403},
		{"TenantAdmin", all, exporting, 403},
		{"ADMINS", all, reading, 403},
		{"", all, reading, 403},
	} {
		p := schema.Principal{Tenant: "a", Roles: []string{c.role}, Scopes: c.scopes}
		r := requestOf("")
		w := httptest.NewRecorder()
		New(Store{}, slog.New(slog.DiscardHandler)).handle(c.needs, none, done)(w, r.WithContext(schema.WithPrincipal(r.Context(), p)))
		if w.Code != c.want {
			t.Errorf("role %q with %v, needs %v: got %d, want %d", c.role, c.scopes, c.needs, w.Code, c.want)
		}
	}
}

// A number of days is an integer however it is written, and a body may begin with a byte order mark.
func TestSettings(t *testing.T) {
	const bom = "\xef\xbb\xbf"
	of := func(body string) *http.Request {
		r := httptest.NewRequest(http.MethodPut, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		return r
	}
	for body, want := range map[string]int{
		`{"days":3000.0}`: 3000, `{"daysToKeep":3e3}`: 3000, `{"days":4.5e1}`: 45, `{"days":45}`: 45, bom + `{"days":45}`: 45, bom + " { \"days\" : 45.00 }\n": 45,
		bom + "{}": 0, bom: -1, "": -1, `{"days":45.5}`: -1, `{"days":4.55e1}`: -1, `{"days":"45"}`: -1, `{"days":0.0}`: -1, `{"days":-1e0}`: -1, `{"days":1e400}`: -1, bom + bom + "{}": -1, "{}" + bom: -1,
	} {
		days, err := parseCleanup(httptest.NewRecorder(), of(body))
		if (err == nil) != (want >= 0) || err == nil && days != want {
			t.Errorf("cleanup %q: got %d, %v, want %d", body, days, err, want)
		}
	}
	for body, want := range map[string]retain.Change{
		`{"days":45.0,"dryRun":true}`: {Days: 45, DryRun: true}, bom + `{"days":4.5e1}`: {Days: 45}, `{"days":45,"confirm":7.0}`: {Days: 45, Confirm: new(uint64)},
		`{"days":3650.5}`: {}, `{"days":3651.0}`: {}, `{"days":45,"confirm":7.5}`: {}, `{"days":45,"confirm":-7.0}`: {},
	} {
		c, err := parseChange(httptest.NewRecorder(), of(body))
		if (err == nil) != (want.Days > 0) || err == nil && (c.Days != want.Days || c.DryRun != want.DryRun || (c.Confirm != nil) != (want.Confirm != nil) || c.Confirm != nil && *c.Confirm != 7) {
			t.Errorf("retention %q: got %+v, %v, want %+v", body, c, err, want)
		}
	}
}

// FuzzSettings checks that the body of a cleanup or a retention is either read completely or refused with the name of a field.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"days":7}`, `{"daysToKeep":7}`, `{"days":7,"confirm":3,"dryRun":true}`, `{"days":1e1}`, `{"days":7}x`, "[", "{\"\xff\":1}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		of := func() *http.Request {
			r := httptest.NewRequest(http.MethodPut, path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			return r
		}
		days, err := parseCleanup(httptest.NewRecorder(), of())
		if err != nil && (api.Status(err) >= 500 || len(detailsIn(err)) == 0) || err == nil && days < 0 {
			t.Errorf("cleanup %q: got %d, %v", body, days, err)
		}
		c, err := parseChange(httptest.NewRecorder(), of())
		if err != nil && (api.Status(err) >= 500 || len(detailsIn(err)) == 0) || err == nil && (c.Days < 1 || c.Days > retain.MaxDays) {
			t.Errorf("retention %q: got %+v, %v", body, c, err)
		}
	})
}
