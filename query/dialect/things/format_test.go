package things

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// FuzzFormats checks that answers are well-formed in each format, whatever their texts contain.
func FuzzFormats(f *testing.F) {
	f.Add("post", "<script>alert(1)</script>", "=1+1")
	f.Add(`","`, "]]>\x00\xff", "\t-1\r\n")
	f.Add("", "'", "@x")
	f.Fuzz(func(t *testing.T, action, initiator, information string) {
		v := view{id: "1", action: choice{3, action}, initiator: initiator, information: information}
		p := &page{asked: asked{page: 1, items: 1}, logs: []view{v}, total: 3}
		u := &url.URL{Path: path, RawQuery: url.Values{"x": {action}}.Encode()}
		if utf8.ValidString(action) && !json.Valid(appendJSON(nil, p.object())) {
			t.Errorf("JSON: %s", appendJSON(nil, p.object()))
		}
		checkXML(t, xmlPage(p, u))
		checkCSV(t, csvPage(p, u), v)
		checkHTML(t, htmlPage(p, u))
		checkHTML(t, htmlRefusal(&refusal{action, initiator, faults{{action, initiator, information}}}, u))
	})
}

func checkXML(t *testing.T, text []byte) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(text)))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("XML: %v: %s", err, text)
		}
	}
}

func checkCSV(t *testing.T, text []byte, v view) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[1]) != len(v.members()) {
		t.Fatalf("CSV: %v: %q", err, text)
	}
	for _, cell := range rows[1] {
		if cell != "" && strings.Contains("=+-@\t\r\n", cell[:1]) {
			t.Errorf("CSV: the cell %q is a formula", cell)
		}
	}
	// Go's CSV reader turns \r\n within a cell into \n.
	if want := strings.ReplaceAll(v.information, "\r\n", "\n"); strings.TrimPrefix(rows[1][9], "'") != strings.TrimPrefix(want, "'") {
		t.Errorf("CSV: got %q, want %q", rows[1][9], want)
	}
}

var (
	tag  = regexp.MustCompile(`</?([a-zA-Z0-9]+)`)
	tags = []string{"html", "head", "meta", "title", "style", "body", "h1", "p", "strong", "ul", "li", "nav", "a", "div", "table", "thead", "tbody", "tr", "th", "td"}
)

// checkHTML checks that a page has only the elements of the template, and the style that its policy allows.
func checkHTML(t *testing.T, text []byte) {
	t.Helper()
	for _, m := range tag.FindAllStringSubmatch(string(text), -1) {
		if !slices.Contains(tags, m[1]) {
			t.Fatalf("HTML: the element %s: %s", m[1], text)
		}
	}
	_, rest, _ := strings.Cut(string(text), "<style>")
	if brought, _, _ := strings.Cut(rest, "</style>"); brought != style {
		t.Errorf("HTML: the style is %q, but the policy is for %q", brought, style)
	}
	if !strings.HasSuffix(string(text), "</html>\n") {
		t.Errorf("HTML: cut off: %s", text)
	}
}

// FuzzParameters checks that each query is either refused with an error of this dialect or becomes a valid listing.
func FuzzParameters(f *testing.F) {
	for _, seed := range []string{
		"", "Page=1&ItemsPerPage=10", "page=2&ITEMSPERPAGE=5000&UserId=1&Action=3", "Page=x&ItemsPerPage=-1", "%zz", "Page=1&ItemsPerPage=1&From=/Date(1)/&To=2024-01-01",
		"Page=1&ItemsPerPage=1&TargetThingId=a&TargetTaskId=b&TargetTaskListId=c&TargetUserId=1&TargetBusinessUserId=2", "Page=1&ItemsPerPage=1&From=9&To=8",
		"Page=1&ItemsPerPage=1&UserId=1&BusinessUserId=2", "Page=2147483647&ItemsPerPage=1000", "PAGE=&page=3&ItemsPerPage=1", "%50age=1&ItemsPerPage=1;",
	} {
		f.Add(seed, "text/jsv")
	}
	all, err := query.NewFilter(schema.Anonymous())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw, accept string) {
		r := &http.Request{URL: &url.URL{Path: path, RawQuery: raw}, Header: http.Header{"Accept": {accept}}}
		if formatOf(r).page == nil {
			t.Errorf("%q: no format", raw)
		}
		a, err := parse(r, all)
		if err != nil {
			if answered := refusalOf(err); api.Status(err)/100 != 4 || answered.code == "" || len(answered.errors) == 0 || answered.errors[0].field == "" {
				t.Errorf("%q: %v is answered as %+v", raw, err, answered)
			}
			return
		}
		l := a.listing()
		if l.Limit < 1 || l.Limit > query.MaxLimit || l.Offset < 0 {
			t.Errorf("%q: got %+v", raw, l)
		}
		if err := l.Filter.Validate(); err != nil {
			t.Errorf("%q: the filter %+v is refused: %v", raw, l.Filter, err)
		}
	})
}

// TestFormat tests the order of precedence: suffix, format, Accept.
func TestFormat(t *testing.T) {
	for _, c := range []struct{ target, accept, want string }{
		{"/actionlogs", "", "json"},
		{"/actionlogs.xml?format=csv", "text/jsv", "xml"},
		{"/actionlogs?FORMAT=CSV", "text/jsv", "csv"},
		{"/actionlogs?format=", "text/jsv", "jsv"},
		{"/actionlogs?format=text/jsv", "text/html", "json"},
		{"/actionlogs", "text/jsv,application/json", "json"},
		{"/actionlogs", "text/*", "json"},
		{"/actionlogs", "application/xhtml+xml, text/jsv", "html"},
		{"/actionlogs", "text/csv, application/jsv;charset=\"", "jsv"},
		{"/actionlogs", ";;,,", "json"},
		{"/actionlogs.html", "application/json", "html"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.target, nil)
		r.Header.Set("Accept", c.accept)
		if got := formatOf(r).name; got != c.want {
			t.Errorf("%s, Accept %q: got %s, want %s", c.target, c.accept, got, c.want)
		}
	}
}
