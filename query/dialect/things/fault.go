package things

import (
	"errors"
	"net/http"
	"strings"

	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/schema"
)

// fault says what is wrong with one parameter.
type fault struct{ code, field, message string }

type faults []fault

// refusal is the error for a request that ServiceStack itself would have refused.
type refusal struct {
	code, message string
	errors        faults
}

func (r *refusal) Error() string { return r.message }
func (r *refusal) Unwrap() error { return schema.ErrInvalid }

// errRole means that the caller has none of the roles.
var errRole = &schema.Refusal{Kind: schema.ErrForbidden, Issue: "needs one of the roles " + strings.Join(roles, ", ")}

// refusalOf returns err with the texts of this dialect.
func refusalOf(err error) *refusal {
	var own *refusal
	if errors.As(err, &own) {
		return own
	}
	var f *schema.FieldError
	if errors.As(err, &f) {
		const code = "ArgumentException"
		return &refusal{code, f.Error(), faults{{code, f.Field, f.Issue}}}
	}
	status := reply.Status(err)
	switch {
	case status == http.StatusUnauthorized:
		return &refusal{code: "Unauthorized", message: "Not Authenticated"}
	case errors.Is(err, errRole):
		return &refusal{code: "Forbidden", message: "Invalid Role"}
	}
	return &refusal{code: strings.ReplaceAll(http.StatusText(status), " ", ""), message: reply.Message(err)}
}

// object returns the response status. ServiceStack can add a stack trace to it; this dialect never does.
func (r *refusal) object() object {
	all := list{of: "ResponseError"}
	for _, f := range r.errors {
		all.items = append(all.items, object{{"errorCode", f.code}, {"fieldName", f.field}, {"message", f.message}})
	}
	return object{{"responseStatus", object{{"errorCode", r.code}, {"message", r.message}, {"errors", all}}}}
}
