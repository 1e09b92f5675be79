package things

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"
)

//go:embed page.html
var source string

//go:embed page.css
var style string

var pages = template.Must(template.New("page").Parse(source))

// policy is the Content-Security-Policy of the page: it loads and runs nothing but its own style sheet.
var policy = "default-src 'none'; style-src 'sha256-" + styleHash() + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func styleHash() string {
	sum := sha256.Sum256([]byte(style))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// shown is the data of the page: a table, or an error.
type shown struct {
	Style         template.CSS
	Head          []string
	Rows          [][]string
	Total, Page   uint64
	Pages         uint64
	Pager, Others []link
	Refusal       *problem
}

type problem struct {
	Code, Message string
	Faults        []string
}

type link struct{ Text, To string }

func htmlPage(p *page, u *url.URL) []byte {
	s := shown{Total: p.total, Page: uint64(p.asked.page), Pages: p.pages()}
	for _, m := range (&view{}).members() {
		s.Head = append(s.Head, pascal(m.name))
	}
	for i := range p.logs {
		s.Rows = append(s.Rows, cells(&p.logs[i]))
	}
	s.pager(u)
	switch {
	case p.explorer != "" && p.wider:
		s.Others = append(s.Others, link{"Explorer, with wider filters", p.explorer})
	case p.explorer != "":
		s.Others = append(s.Others, link{"Explorer", p.explorer})
	}
	for _, format := range [...]string{"json", "jsv", "xml", "csv"} {
		s.Others = append(s.Others, link{strings.ToUpper(format), path + "." + format + "?" + with(u, "", "").Encode()})
	}
	return s.render()
}

func cells(v *view) (row []string) {
	for _, m := range v.members() {
		switch value := m.value.(type) {
		case string:
			row = append(row, value)
		case choice:
			row = append(row, value.name+" ("+strconv.FormatInt(value.code, 10)+")")
		case int64:
			row = append(row, time.UnixMilli(value).UTC().Format("2006-01-02 15:04:05.000Z"))
		}
	}
	return row
}

// pager adds the links to other pages.
func (s *shown) pager(u *url.URL) {
	add := func(text string, page uint64, exists bool) {
		if exists {
			s.Pager = append(s.Pager, link{text, u.Path + "?" + with(u, "Page", strconv.FormatUint(page, 10)).Encode()})
		}
	}
	add("First", 1, s.Page > 1)
	add("Previous", s.Page-1, s.Page > 1 && s.Page <= s.Pages)
	add("Next", s.Page+1, s.Page < s.Pages)
	add("Last", s.Pages, s.Pages > 0 && s.Page != s.Pages)
}

// with returns u's parameters with a new value for one of them. With an empty name, it returns the parameters without format.
func with(u *url.URL, name, value string) url.Values {
	all := url.Values{}
	for k, v := range u.Query() {
		same := strings.EqualFold(k, name)
		if !same && (name != "" || !strings.EqualFold(k, "format")) {
			all[k] = v
		}
	}
	if name != "" {
		all.Set(name, value)
	}
	return all
}

func htmlRefusal(r *refusal, u *url.URL) []byte {
	s := shown{Refusal: &problem{Code: r.code, Message: r.message}}
	for _, f := range r.errors {
		s.Refusal.Faults = append(s.Refusal.Faults, f.field+": "+f.message)
	}
	first := with(u, "Page", "1")
	first.Set("ItemsPerPage", "50")
	s.Pager = []link{{"First page", u.Path + "?" + first.Encode()}}
	return s.render()
}

func (s shown) render() []byte {
	s.Style = template.CSS(style) //nolint:gosec // a constant of this package
	var b bytes.Buffer
	_ = pages.Execute(&b, s) // it fails only if the template is wrong, which a test would find
	return b.Bytes()
}
