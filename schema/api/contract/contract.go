// Package contract checks HTTP exchanges against openapi.yaml, for tests. If an exchange passes, the document describes the status,
// the headers and the body of the answer, and, if the request succeeded, the request as well.
package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// Document is openapi.yaml, parsed.
type Document struct {
	spec  *openapi3.T
	paths []*path // the one with the most literal text first
}

// Load parses and validates the document, once.
var Load = sync.OnceValues(func() (*Document, error) {
	spec, err := openapi3.NewLoader().LoadFromData(schema.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	if err := spec.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return &Document{spec, pathsOf(spec)}, nil
})

// Exchange is a request and its answer.
type Exchange struct {
	Method, Target string // of the request line
	Header         http.Header
	Body           []byte

	Status       int
	AnswerHeader http.Header
	Answer       []byte
}

// Hold fails the test if the exchange does not match the document.
func Hold(t testing.TB, e Exchange) {
	t.Helper()
	d, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(e); err != nil {
		t.Errorf("does not match openapi.yaml: %v", err)
	}
}

// Check returns an error if the exchange does not match the document.
func (d *Document) Check(e Exchange) error {
	r, err := http.NewRequestWithContext(context.Background(), e.Method, "http://127.0.0.1"+e.Target, bytes.NewReader(e.Body))
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	r.Header = e.Header
	e.Status = statusOf(e)
	route, params := d.find(r)
	if route == nil || route.Operation.Responses.Status(e.Status) == nil && (e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed) {
		return d.elsewhere(r.URL.Path, e) // no service has this operation, or only another one
	}
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true, SkipSettingDefaults: true},
	}
	if e.Status < http.StatusMultipleChoices {
		if err := granted(in, e); err != nil {
			return fmt.Errorf("%s %s was answered %d: %w", e.Method, e.Target, e.Status, err)
		}
	}
	if err := answered(in, e); err != nil {
		return fmt.Errorf("the answer %d to %s %s: %w", e.Status, e.Method, e.Target, err)
	}
	return nil
}

// statusOf returns the status that the answer would have without FLEET_ALWAYS_200.
func statusOf(e Exchange) int {
	var envelope struct {
		Code int `json:"code"`
	}
	if e.Status == http.StatusOK && isJSON(e.AnswerHeader) && json.Unmarshal(e.Answer, &envelope) == nil && envelope.Code > 0 {
		return envelope.Code / 100
	}
	return e.Status
}

// unknown is the name that exchanges use for a parameter that is not in the document and must be ignored.
const unknown = "unknown"

// granted checks a request that succeeded.
func granted(in *openapi3filter.RequestValidationInput, e Exchange) error {
	known := in.Route.Operation.Parameters
	for name := range in.Request.URL.Query() {
		if name != unknown && known.GetByInAndName("query", name) == nil {
			return fmt.Errorf("the parameter %s is not in the document", name)
		}
	}
	in.Options.ExcludeRequestBody = e.Header.Get("Content-Encoding") != "" || !isJSON(e.Header) || rejected(e.Answer)
	if body := in.Route.Operation.RequestBody; body != nil && in.Options.ExcludeRequestBody && len(e.Body) > 0 {
		if body.Value.Content.Get(contentType(e.Header)) == nil {
			return fmt.Errorf("a body of %q is not in the document", e.Header.Get("Content-Type"))
		}
	}
	if err := openapi3filter.ValidateRequest(in.Request.Context(), in); !errors.Is(err, strconv.ErrRange) { // an integer too large for Go's int64
		return err
	}
	return nil
}

// rejected reports whether some entries of a batch were not accepted.
func rejected(answer []byte) bool {
	var a struct {
		Data struct {
			Rejected int `json:"rejected"`
		} `json:"data"`
	}
	return json.Unmarshal(answer, &a) == nil && a.Data.Rejected > 0
}

// contentType returns the content type of a request, JSON by default.
func contentType(h http.Header) string {
	if t := h.Get("Content-Type"); t != "" {
		return t
	}
	return "application/json"
}

func isJSON(h http.Header) bool {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && t == "application/json"
}

// answered checks an answer.
func answered(in *openapi3filter.RequestValidationInput, e Exchange) error {
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: e.Status, Header: e.AnswerHeader, Body: io.NopCloser(bytes.NewReader(e.Answer)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true, ExcludeResponseBody: !isJSON(e.AnswerHeader) || continued(in.Request)},
	}
	if err := openapi3filter.ValidateResponse(in.Request.Context(), out); err != nil {
		return err
	}
	answer := in.Route.Operation.Responses.Status(e.Status)
	if answer == nil {
		return fmt.Errorf("status %d is not described", e.Status)
	}
	response := answer.Value
	if err := declared(response, e.AnswerHeader); err != nil {
		return err
	}
	if !isJSON(e.AnswerHeader) && in.Request.Method != http.MethodHead {
		return other(response, e)
	}
	return nil
}

// continued reports whether an answer is the rest of an export that broke off: alone, it is not valid JSON.
func continued(r *http.Request) bool { return r.URL.Query().Has("after") }

// ours lists the headers that an answer may have only if the document lists them, too.
var ours = []string{
	"Allow", "Retry-After", "WWW-Authenticate", "Content-Disposition", "Vary", "Etag", schema.PositionHeader, api.RequestIDHeader, "X-Next-Cursor",
}

func declared(response *openapi3.Response, h http.Header) error {
	for _, name := range ours {
		same := func(other string) bool { return strings.EqualFold(name, other) }
		if h.Get(name) != "" && !slices.ContainsFunc(slices.Collect(maps.Keys(response.Headers)), same) {
			return fmt.Errorf("the header %s is not in the document", name)
		}
	}
	return nil
}

// other checks a body that is not JSON: its content type and, for NDJSON, each line.
func other(response *openapi3.Response, e Exchange) error {
	if len(response.Content) == 0 && len(e.Answer) == 0 {
		return nil
	}
	got := e.AnswerHeader.Get("Content-Type")
	media := response.Content.Get(got)
	if media == nil {
		return fmt.Errorf("the content type %q is not in the document", got)
	}
	if !strings.HasPrefix(got, "application/x-ndjson") {
		return nil
	}
	for line := range bytes.Lines(e.Answer) {
		if err := visit(media.Schema.Value, line); err != nil {
			return fmt.Errorf("line %s: %w", line, err)
		}
	}
	return nil
}

func visit(s *openapi3.Schema, text []byte) error {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	return s.VisitJSON(v, openapi3.EnableJSONSchema2020(), openapi3.VisitAsResponse(), openapi3.MultiErrors())
}

// refusals maps the beginning of a path to the dialect that answers for a path or a method that is not in the document. If several match,
// any of them may answer.
var refusals = []struct{ prefix, dialect string }{
	{"/api/v1/activity-logs", "Audit"}, {"/api/", "Fleet"}, {"/filterActivity", "Access"}, {"/actionlogs", "Things"},
}

// elsewhere checks the answer to a request that is not in the document.
func (d *Document) elsewhere(path string, e Exchange) error {
	kind := "Elsewhere"
	switch e.Status {
	case http.StatusServiceUnavailable: // the service that may have it is unavailable
		kind = "Retry"
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
	default:
		return fmt.Errorf("%s %s is not in the document, but was answered %d", e.Method, e.Target, e.Status)
	}
	var faults []error
	for _, r := range refusals {
		if !strings.HasPrefix(path, r.prefix) {
			continue
		}
		err := d.refused(r.dialect+kind, e)
		if err == nil {
			return nil
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func (d *Document) refused(name string, e Exchange) error {
	response := d.spec.Components.Responses[name]
	if response == nil {
		return errors.New("the document has no response " + name)
	}
	op := openapi3.NewOperation()
	op.Responses = openapi3.NewResponses(openapi3.WithStatus(e.Status, response))
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://127.0.0.1/", http.NoBody)
	if err != nil {
		return err
	}
	route := &routers.Route{Spec: d.spec, Operation: op}
	if err := answered(&openapi3filter.RequestValidationInput{Request: r, Route: route}, e); err != nil {
		return fmt.Errorf("the answer %d to %s %s, which is not in the document: %w", e.Status, e.Method, e.Target, err)
	}
	return nil
}
