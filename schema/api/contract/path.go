package contract

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
)

// path is a path of the document.
type path struct {
	template string
	matches  *regexp.Regexp
	names    []string
	item     *openapi3.PathItem
}

var parameter = regexp.MustCompile(`\{(\w+)\}`)

func pathsOf(spec *openapi3.T) []*path {
	var all []*path
	for template, item := range spec.Paths.Map() {
		p := &path{template: template, item: item}
		for _, m := range parameter.FindAllStringSubmatch(template, -1) {
			p.names = append(p.names, m[1])
		}
		literal := parameter.Split(template, -1)
		for i, s := range literal {
			literal[i] = regexp.QuoteMeta(s)
		}
		p.matches = regexp.MustCompile("^" + strings.Join(literal, "([^/]+)") + "$")
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *path) int {
		if n := len(a.names) - len(b.names); n != 0 {
			return n
		}
		return strings.Compare(b.template, a.template)
	})
	return all
}

// find returns the operation of a request and its path parameters; nil if the document has no such operation. HEAD counts as GET.
func (d *Document) find(r *http.Request) (*routers.Route, map[string]string) {
	verb := r.Method
	if verb == http.MethodHead {
		verb = http.MethodGet
	}
	for _, p := range d.paths {
		m := p.matches.FindStringSubmatch(r.URL.EscapedPath())
		op := p.item.GetOperation(verb)
		if m == nil || op == nil {
			continue
		}
		params := map[string]string{}
		for i, name := range p.names {
			value, err := url.PathUnescape(m[i+1])
			if err != nil {
				return nil, nil
			}
			params[name] = value
		}
		return &routers.Route{Spec: d.spec, Path: p.template, PathItem: p.item, Method: verb, Operation: op}, params
	}
	return nil, nil
}

// Operation is a method and a path of the document.
type Operation struct {
	Method, Path string
	Literal      []string // Path, once for each value of the parameters that are enums
	Tags         []string
	Statuses     []string
}

// Operations returns all operations of the document, sorted by path and method.
func (d *Document) Operations() []Operation {
	var all []Operation
	for template, item := range d.spec.Paths.Map() {
		for method, op := range item.Operations() {
			o := Operation{Method: method, Path: template, Literal: literal(template, op), Tags: op.Tags}
			for status := range op.Responses.Map() {
				o.Statuses = append(o.Statuses, status)
			}
			slices.Sort(o.Statuses)
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b Operation) int { return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method) })
	return all
}

func literal(template string, op *openapi3.Operation) []string {
	all := []string{template}
	for _, p := range op.Parameters {
		if p.Value.In != "path" || len(p.Value.Schema.Value.Enum) == 0 {
			continue
		}
		var each []string
		for _, t := range all {
			for _, value := range p.Value.Schema.Value.Enum {
				each = append(each, strings.ReplaceAll(t, "{"+p.Value.Name+"}", fmt.Sprint(value)))
			}
		}
		all = each
	}
	return all
}

// Find returns the operation of a request; false if the document has none.
func (d *Document) Find(r *http.Request) (Operation, bool) {
	route, _ := d.find(r)
	if route == nil {
		return Operation{}, false
	}
	return Operation{Method: route.Method, Path: route.Path}, true
}
