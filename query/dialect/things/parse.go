package things

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
)

// business is the kind of actor that BusinessUserId selects; UserId selects all others.
const business = "business"

// Types of targets, as other dialects write them. They are compared case-sensitively.
const (
	typeThing        = "THING"
	typeUser         = "USER"
	typeBusinessUser = "BUSINESS_USER"
	typeTask         = "TASK"
	typeTaskList     = "TASK_LIST"
)

// asked is a parsed request.
type asked struct {
	filter      query.Filter
	page, items int64  // both 1 or more; page up to 2^31-1
	action      *int64 // its code
	nobody      bool   // no actor can match
	bom         bool   // CSV begins with a byte order mark
}

func (a asked) listing() query.Listing {
	return query.Listing{Filter: a.filter, Fields: query.Outline, Limit: int(a.items), Offset: (a.page - 1) * a.items, Whole: true}
}

// values are the parameters that are not empty, by their names in lower case. The first of a name wins.
type values map[string]string

func valuesOf(r *http.Request) (values, error) {
	all, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // an unreadable query might contain a filter
		return nil, &schema.FieldError{Field: "query", Code: "SYNTAX", Issue: "cannot be read as name=value pairs"}
	}
	v := values{}
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		name, _ = url.QueryUnescape(name) // ParseQuery has checked it
		lower := strings.ToLower(name)
		for _, value := range all[name] {
			if _, has := v[lower]; !has && value != "" {
				v[lower] = value
			}
		}
	}
	return v, nil
}

// get returns the value of a parameter; name is written as in the API's document.
func (v values) get(name string) string { return v[strings.ToLower(name)] }

// parse reads a request within the filter f. As in ServiceStack, a value of the wrong type is reported before other errors.
func parse(r *http.Request, f query.Filter) (asked, error) {
	a := asked{filter: f}
	v, err := valuesOf(r)
	if err != nil {
		return a, err
	}
	if err := v.numbers(&a); err != nil {
		return a, err
	}
	if err := a.check(); err != nil {
		return a, err
	}
	a.items = min(a.items, query.MaxLimit)
	if err := v.things(&a); err != nil {
		return a, err
	}
	if a.bom, err = request.Flag("bom", v.get("bom")); err != nil {
		return a, err
	}
	return a, v.window(&a.filter)
}

// numbers reads the integers: Page and ItemsPerPage have 32 bits, as in ServiceStack; ids have 64 bits, because other dialects may
// write such ids.
func (v values) numbers(a *asked) error {
	var user, businessUser, targetUser, targetBusinessUser, action *int64
	var wrong faults
	for _, c := range [...]struct {
		name string
		bits int
		set  func(n int64)
	}{
		{"UserId", 64, func(n int64) { user = &n }},
		{"Page", 32, func(n int64) { a.page = n }},
		{"ItemsPerPage", 32, func(n int64) { a.items = n }},
		{"BusinessUserId", 64, func(n int64) { businessUser = &n }},
		{"Action", 64, func(n int64) { action = &n }},
		{"TargetUserId", 64, func(n int64) { targetUser = &n }},
		{"TargetBusinessUserId", 64, func(n int64) { targetBusinessUser = &n }},
	} {
		text := v.get(c.name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, c.bits)
		if err != nil {
			wrong = append(wrong, fault{"SerializationException", c.name, fmt.Sprintf("'%s' is an Invalid value for '%s'", text, c.name)})
			continue
		}
		c.set(n)
	}
	if wrong != nil {
		return &refusal{"SerializationException", "Unable to bind to request 'GetActionLogs'", wrong}
	}
	a.action = action
	a.actor(user, businessUser)
	a.target(schema.TargetMatch{Type: typeUser}, targetUser)
	a.target(schema.TargetMatch{Type: typeBusinessUser}, targetBusinessUser)
	return nil
}

func (a *asked) actor(user, businessUser *int64) {
	switch {
	case user != nil && businessUser != nil:
		a.nobody = true
	case user != nil:
		a.filter.ActorID, a.filter.NotActorKind = strconv.FormatInt(*user, 10), business
	case businessUser != nil:
		a.filter.ActorID, a.filter.ActorKind = strconv.FormatInt(*businessUser, 10), business
	}
}

func (a *asked) target(t schema.TargetMatch, id *int64) {
	if id != nil {
		t.ID = strconv.FormatInt(*id, 10)
		a.filter.Want(t) // it fits: a request has at most five targets
	}
}

// check validates Page and ItemsPerPage.
func (a *asked) check() error {
	var wrong faults
	for _, c := range [...]struct {
		name, shown string
		n           int64
	}{{"Page", "Page", a.page}, {"ItemsPerPage", "Items Per Page", a.items}} {
		switch {
		case c.n == 0:
			wrong = append(wrong, fault{"NotEmpty", c.name, fmt.Sprintf("'%s' must not be empty.", c.shown)})
		case c.n < 0:
			wrong = append(wrong, fault{"GreaterThan", c.name, fmt.Sprintf("'%s' must be greater than '0'.", c.shown)})
		}
	}
	if wrong == nil {
		return nil
	}
	return &refusal{wrong[0].code, wrong[0].message, wrong}
}

// things reads the targets with ids that are text.
func (v values) things(a *asked) error {
	for _, c := range [...]struct {
		name string
		want schema.TargetMatch
	}{
		{"TargetThingId", schema.TargetMatch{Type: schema.DeviceTarget, Else: typeThing}},
		{"TargetTaskId", schema.TargetMatch{Type: typeTask}},
		{"TargetTaskListId", schema.TargetMatch{Type: typeTaskList}},
	} {
		c.want.ID = v.get(c.name)
		if c.want.ID == "" {
			continue
		}
		if err := schema.CheckText(c.name, c.want.ID, schema.MaxNameBytes); err != nil {
			return err
		}
		a.filter.Want(c.want)
	}
	return nil
}

// window reads From and To.
func (v values) window(f *query.Filter) error {
	from, err := request.Time("From", v.get("From"))
	if err != nil {
		return err
	}
	to, err := request.Time("To", v.get("To"))
	if err != nil {
		return err
	}
	return request.Window(f, from, to)
}
