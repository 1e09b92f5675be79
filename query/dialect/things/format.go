package things

import (
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
)

// format is a format of answers.
type format struct {
	name        string // as suffix of the path and in ?format=
	contentType string
	accept      []string // media types in Accept that select it
	page        func(p *page, u *url.URL) []byte
	refusal     func(r *refusal, u *url.URL) []byte
}

// formats in the order of preference if Accept names several; q-values are ignored.
var formats = []format{
	{"html", "text/html; charset=utf-8", []string{"text/html", "application/xhtml+xml"}, htmlPage, htmlRefusal},
	{"json", "application/json; charset=utf-8", []string{"application/json"}, pageIn(appendJSON), refusalIn(appendJSON)},
	{"xml", "application/xml; charset=utf-8", []string{"application/xml", "text/xml"}, xmlPage, xmlRefusal},
	{"jsv", "text/jsv", []string{"text/jsv", "application/jsv"}, pageIn(appendJSV), refusalIn(appendJSV)},
	{"csv", "text/csv; charset=utf-8", []string{"text/csv"}, csvPage, csvRefusal},
}

func pageIn(write func([]byte, any) []byte) func(*page, *url.URL) []byte {
	return func(p *page, _ *url.URL) []byte { return write(nil, p.object()) }
}

func refusalIn(write func([]byte, any) []byte) func(*refusal, *url.URL) []byte {
	return func(r *refusal, _ *url.URL) []byte { return write(nil, r.object()) }
}

func suffixes() (all []string) {
	for _, f := range formats {
		all = append(all, "."+f.name)
	}
	return all
}

// formatOf returns the format that a request selects: by the suffix of its path, otherwise by ?format=, otherwise by Accept. An unknown
// format means JSON; no request is answered 406.
func formatOf(r *http.Request) format {
	named := ""
	if _, suffix, ok := strings.Cut(r.URL.Path, "."); ok {
		named = strings.ToLower(suffix)
	} else if v, err := valuesOf(r); err == nil {
		named = strings.ToLower(v.get("format"))
	}
	accepted := acceptedBy(r.Header)
	for _, f := range formats {
		byAccept := named == "" && slices.ContainsFunc(f.accept, func(t string) bool { return accepted[t] })
		if f.name == named || byAccept {
			return f
		}
	}
	return formats[slices.IndexFunc(formats, func(f format) bool { return f.name == "json" })]
}

func acceptedBy(h http.Header) map[string]bool {
	all := map[string]bool{}
	for _, line := range h.Values("Accept") {
		for item := range strings.SplitSeq(line, ",") {
			t, _, err := mime.ParseMediaType(item)
			if err != nil {
				t, _, _ = strings.Cut(item, ";")
			}
			all[strings.ToLower(strings.TrimSpace(t))] = true
		}
	}
	return all
}

type endpoint func(http.ResponseWriter, *http.Request) (*page, error)

// handle writes the answer or the error of an endpoint in the selected format.
func (a *API) handle(do endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := formatOf(r)
		w.Header().Add("Vary", "Accept") // others may vary it, too
		var done *page
		err := request.Failure(r)
		if err == nil {
			done, err = do(w, r)
		}
		status, body := http.StatusOK, []byte(nil)
		if err != nil {
			status = reply.Fail(w, r, a.log, err)
			body = f.refusal(refusalOf(err), r.URL)
		} else {
			body = f.page(done, r.URL)
			maps.Copy(w.Header(), extra[f.name])
		}
		if f.name == "html" {
			w.Header().Set("Content-Security-Policy", policy)
		}
		reply.Send(w, status, f.contentType, body)
	}
}

// extra are additional headers of pages, by format.
var extra = map[string]http.Header{
	"csv": {"Content-Disposition": {`attachment; filename="GetActionLogs.csv"`}},
}
