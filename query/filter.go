package query

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/activitylog/activitylog/schema"
)

// maxWords bounds the words of a search: each is one more look at every text that its index lets through.
const maxWords = 32

// Filter says which entries of one tenant are meant. Its conditions are AND-ed; an empty one does not count. The tenant comes
// from the principal alone: a Filter that NewFilter did not make is refused by everything that takes one.
type Filter struct {
	tenant string

	Platform, Device, Action string
	ActorID                  string
	Username                 string // the actor's name, or its id where it has no name
	TargetType, TargetID     string // the id needs the type
	RequestID                string
	Start, End               int64  // Unix ms, both inclusive; 0 is no bound
	Search                   string // the request id, or words that are all whole words of detail or details
}

// NewFilter is the filter of everything that p may read; ErrForbidden without the scope read.
func NewFilter(p schema.Principal) (Filter, error) {
	if err := p.Require(schema.ScopeRead); err != nil {
		return Filter{}, err
	}
	return tenantFilter(p)
}

func tenantFilter(p schema.Principal) (Filter, error) {
	f := Filter{tenant: p.Tenant}
	return f, f.check()
}

func (f Filter) check() error {
	if f.tenant == "" {
		return fmt.Errorf("%w: a query needs a tenant", schema.ErrUnauthenticated)
	}
	return nil
}

// Validate names the first field that is wrong, in the words of Filter, as a *schema.FieldError.
func (f Filter) Validate() error {
	if err := f.check(); err != nil {
		return err
	}
	for _, c := range [...]struct{ name, value string }{
		{"platform", f.Platform},
		{"device", f.Device},
		{"action", f.Action},
		{"actor id", f.ActorID},
		{"username", f.Username},
		{"target type", f.TargetType},
		{"target id", f.TargetID},
		{"request id", f.RequestID},
		{"search", f.Search},
	} {
		if err := schema.CheckText(c.name, c.value, schema.MaxNameBytes); err != nil {
			return err
		}
	}
	switch {
	case f.TargetID != "" && f.TargetType == "":
		return schema.Missing("target type")
	case f.Start < 0 || f.Start > schema.MaxTimestamp:
		return schema.CheckTimestamp("start", f.Start)
	case f.End < 0 || f.End > schema.MaxTimestamp:
		return schema.CheckTimestamp("end", f.End)
	case f.End != 0 && f.Start > f.End:
		return &schema.FieldError{Field: "start", Code: "RANGE", Issue: "must not be after the end"}
	case len(words(f.Search)) > maxWords:
		return &schema.FieldError{Field: "search", Code: "TOO_MANY", Issue: fmt.Sprintf("at most %d words", maxWords)}
	}
	return nil
}

// words are the runs of letters and digits of s, with the letters A to Z made small as the index has them.
func words(s string) []string {
	return strings.FieldsFunc(strings.Map(asciiLower, s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// asciiLower is ClickHouse's lower: it leaves what is not ASCII alone.
func asciiLower(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// canonical is f in one string, different for every different filter; cursors are bound to it.
func (f Filter) canonical() string {
	var b strings.Builder
	for _, v := range [...]string{f.tenant, f.Platform, f.Device, f.Action, f.ActorID, f.Username, f.TargetType, f.TargetID, f.RequestID, f.Search} {
		fmt.Fprintf(&b, "%d:%s", len(v), v)
	}
	fmt.Fprintf(&b, "%d-%d", f.Start, f.End)
	return b.String()
}

// rollup is the part of a filter that a rollup knows, the hours apart.
type rollup struct {
	kind, entity     string // of by_entity; kind '' is by_kind
	platform, action string // of by_kind
}

// rollup is the narrowest rollup that covers f, and whether it counts exactly the entries of f within whole hours.
func (f Filter) rollup() (r rollup, exact bool) {
	entities := [...]rollup{
		{kind: "device", entity: f.Device},
		{kind: "actor", entity: f.ActorID},
		{kind: "name", entity: f.Username},
		{kind: "target", entity: f.TargetType},
	}
	r = rollup{platform: f.Platform, action: f.Action}
	conditions := 0
	for _, e := range entities {
		if e.entity == "" {
			continue
		}
		if conditions == 0 {
			r = e
		}
		conditions++
	}
	exact = f.RequestID == "" && f.Search == "" && f.TargetID == "" &&
		(conditions == 0 || conditions == 1 && f.Platform == "" && f.Action == "")
	return r, exact
}

const hourMs = int64(time.Hour / time.Millisecond)

func hourOf(ms int64) int64 { return ms - ms%hourMs }
