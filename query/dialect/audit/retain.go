package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/query/retain"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

type cleaned struct {
	Message      string `json:"message"`
	DeletedCount uint64 `json:"deletedCount"`
}

// cleanup erases entries that were received more than a number of days ago. The default is the tenant's retention, which erases
// nothing that is visible.
func (a *API) cleanup(w http.ResponseWriter, r *http.Request) (*answer, error) {
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return nil, err
	}
	days, err := parseCleanup(w, r)
	if err != nil {
		return nil, err
	}
	if days == 0 {
		if days, err = a.store.Retention(r.Context(), p); err != nil {
			return nil, err
		}
	}
	n, err := a.store.Cleanup(request.Finished(r), p, days)
	if err != nil {
		return nil, err
	}
	return success(cleaned{fmt.Sprintf("Deleted %d activity logs older than %d days", n, days), n}), nil
}

type retention struct {
	Days int `json:"days"`
}

func (a *API) retention(_ http.ResponseWriter, r *http.Request) (*answer, error) {
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return nil, err
	}
	days, err := a.store.Retention(r.Context(), p)
	if err != nil {
		return nil, err
	}
	return success(retention{days}), nil
}

// changed is the answer to a change of the retention. In a dry run nothing has changed, and deletedCount is how many visible entries
// would expire; the caller agrees by sending that number as confirm.
type changed struct {
	Days         int    `json:"days"`
	DryRun       bool   `json:"dryRun"`
	DeletedCount uint64 `json:"deletedCount"`
}

func (a *API) setRetention(w http.ResponseWriter, r *http.Request) (*answer, error) {
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return nil, err
	}
	c, err := parseChange(w, r)
	if err != nil {
		return nil, err
	}
	done, err := a.store.SetRetention(request.Finished(r), p, c)
	if err != nil {
		return nil, err
	}
	return success(changed{c.Days, done.DryRun, done.Expired}), nil
}

// parseCleanup reads the days of a cleanup, under either name; 0 if there are none. A browser sends JSON from another site's page only if
// the service allows it; a request without a body, or with a form or text, it sends without asking.
func parseCleanup(w http.ResponseWriter, r *http.Request) (int, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return 0, &schema.FieldError{Field: "Content-Type", Code: "UNSUPPORTED", Issue: "must be application/json", Kind: schema.ErrUnsupported}
	}
	m, err := members(w, r, "days", "daysToKeep")
	switch {
	case err != nil:
		return 0, err
	case m == nil:
		return 0, &schema.FieldError{Field: "body", Code: "REQUIRED", Issue: "is required: a JSON object, which may be empty"}
	}
	name := "days"
	if m["daysToKeep"] != nil {
		name = "daysToKeep"
	}
	switch {
	case len(m) == 2:
		return 0, &schema.FieldError{Field: "daysToKeep", Code: "CONFLICT", Issue: "is another name of days: send one of them"}
	case len(m) == 0:
		return 0, nil
	}
	return daysIn(m, name, math.MaxInt32)
}

// parseChange reads {"days":n}, optionally with "confirm", the number of visible entries that may expire at most, and "dryRun".
func parseChange(w http.ResponseWriter, r *http.Request) (c retain.Change, err error) {
	m, err := members(w, r, "days", "confirm", "dryRun")
	if err != nil {
		return c, err
	}
	if m["days"] == nil {
		return c, schema.Missing("days")
	}
	if c.Days, err = daysIn(m, "days", retain.MaxDays); err != nil {
		return c, err
	}
	if text := m["confirm"]; text != nil {
		n, ok := schema.ParseInteger(string(text))
		if !ok || n < 0 {
			return c, &schema.FieldError{Field: "confirm", Code: "TYPE", Issue: "must be the deletedCount of a dry run"}
		}
		count := uint64(n)
		c.Confirm = &count
	}
	if text := m["dryRun"]; text != nil {
		if bytes.Equal(text, []byte("null")) || json.Unmarshal(text, &c.DryRun) != nil {
			return c, &schema.FieldError{Field: "dryRun", Code: "TYPE", Issue: "must be true or false"}
		}
	}
	return c, nil
}

// daysIn reads a number of days between 1 and most.
func daysIn(m map[string]json.RawMessage, name string, most int) (int, error) {
	n, ok := schema.ParseInteger(string(m[name]))
	if !ok {
		return 0, &schema.FieldError{Field: name, Code: "TYPE", Issue: "must be an integer"}
	}
	switch {
	case n >= 1 && n <= int64(most):
		return int(n), nil
	case most != math.MaxInt32:
		return 0, &schema.FieldError{Field: name, Code: "RANGE", Issue: fmt.Sprintf("must be 1 to %d", most)}
	case n < 1:
		return 0, &schema.FieldError{Field: name, Code: "RANGE", Issue: "must be 1 or more"}
	}
	return 0, &schema.FieldError{Field: name, Code: "RANGE", Issue: fmt.Sprintf("must be at most %d", most)}
}

// maxSettingBytes bounds bodies that consist of a few numbers.
const maxSettingBytes = 4 << 10

// members reads a JSON object. Only members with these names are allowed, each once. An empty body means an empty object.
func members(w http.ResponseWriter, r *http.Request, names ...string) (map[string]json.RawMessage, error) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSettingBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, schema.TooLong("body", maxSettingBytes+1, maxSettingBytes)
	case err != nil:
		return nil, api.BodyError(r, err)
	}
	text = request.WithoutBOM(text)
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	return parseMembers(text, names)
}

func parseMembers(text []byte, names []string) (map[string]json.RawMessage, error) {
	noObject := &schema.FieldError{Field: "body", Code: "SYNTAX", Issue: "must be a JSON object"}
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, noObject
	}
	m := map[string]json.RawMessage{}
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		var value json.RawMessage
		if err != nil || !ok || dec.Decode(&value) != nil {
			return nil, noObject
		}
		if !slices.Contains(names, name) {
			return nil, &schema.FieldError{Field: name, Code: "UNKNOWN", Issue: "is not known: this takes " + strings.Join(names, ", ")}
		}
		if m[name] != nil {
			return nil, &schema.FieldError{Field: name, Code: "CONFLICT", Issue: "is given more than once"}
		}
		m[name] = value
	}
	if _, err := dec.Token(); err != nil { // the end of the object
		return nil, noObject
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, noObject
	}
	return m, nil
}
