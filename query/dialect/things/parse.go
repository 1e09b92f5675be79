package things

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
)

// business is the kind of actor that BusinessUserId means; UserId means every other.
const business = "business"

// Types of targets as the other dialects write them. They are compared as they were written.
const (
	typeThing        = "THING"
	typeUser         = "USER"
	typeBusinessUser = "BUSINESS_USER"
	typeTask         = "TASK"
	typeTaskList     = "TASK_LIST"
)

// asked is what a request asks for.
type asked struct {
	filter      query.Filter
	page, items int64  // both from 1 on; page up to 2^31-1
	action      *int64 // the code of one
	nobody      bool   // of an actor that cannot be
}

func (a asked) listing() query.Listing {
	return query.Listing{Filter: a.filter, Fields: query.Everything, Limit: int(a.items), Offset: (a.page - 1) * a.items}
}

// values are the parameters by their names in small letters, without those that are empty. Of one name the first counts.
type values map[string]string

func valuesOf(r *http.Request) (values, error) {
	all, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // what cannot be read might have been a filter
		return nil, &schema.FieldError{Field: "query", Code: "SYNTAX", Issue: "cannot be read as name=value pairs"}
	}
	v := values{}
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		name, _ = url.QueryUnescape(name) // it could be read above
		small := strings.ToLower(name)
		for _, value := range all[name] {
			if _, has := v[small]; !has && value != "" {
				v[small] = value
			}
		}
	}
	return v, nil
}

// get is the value of the parameter as the API's document writes its name.
func (v values) get(name string) string { return v[strings.ToLower(name)] }

// parse reads a request for what f lets see. All that is wrong with it is told at once, unless a value cannot be bound at all.
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
	return a, v.window(&a.filter)
}

// numbers binds the integers: Page and ItemsPerPage of 32 bits, as the framework has them; ids of 64, as other dialects may write
// such.
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
		a.filter.Want(t) // there is room: a request has five of them at most
	}
}

// check says what is wrong with the page that is asked for.
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

// things reads the targets whose ids are text.
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

// window reads From and To, both inclusive.
func (v values) window(f *query.Filter) (err error) {
	if f.Start, err = parseTime("From", v.get("From"), request.Start); err != nil {
		return err
	}
	if f.End, err = parseTime("To", v.get("To"), request.End); err != nil {
		return err
	}
	if f.End != 0 && f.Start > f.End {
		return &schema.FieldError{Field: "From", Code: "RANGE", Issue: "must not be after To"}
	}
	return nil
}

// wcfDate is a time as Microsoft's JSON writes it. Its offset says where the clock stood and changes nothing.
var wcfDate = regexp.MustCompile(`^\\?/Date\((-?\d+)([+-]\d{4})?\)\\?/$`)

// parseTime reads Unix ms, /Date(ms)/, or a time of ISO 8601, as Unix ms; 0 is no bound.
func parseTime(name, text string, edge request.Edge) (int64, error) {
	text = strings.TrimSpace(text)
	number := text
	if m := wcfDate.FindStringSubmatch(text); m != nil {
		number = m[1]
	}
	ms, err := strconv.ParseInt(number, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return request.ISOTime(name, text, edge)
	}
	switch { // a number that no int64 holds is the nearest one
	case edge == request.Start && ms < schema.MinTimestamp:
		return 0, nil
	case edge == request.End && ms > schema.MaxTimestamp:
		return schema.MaxTimestamp, nil
	}
	return ms, schema.CheckTimestamp(name, ms)
}
