package schema

import (
	"errors"
	"net/http"
	"strings"
)

// Refusal is why a request's credentials do not do, in words that are meant for the caller.
type Refusal struct {
	Kind    error  // ErrUnauthenticated, ErrForbidden, ErrUnavailable or ErrRateLimited
	Issue   string // of printable ASCII, without a quote or a backslash
	Invalid bool   // there were credentials, and they are no good
}

func (r *Refusal) Error() string { return r.Issue }
func (r *Refusal) Unwrap() error { return r.Kind }

// Challenge sets the header WWW-Authenticate of an answer with status 401, as RFC 6750 has it; err with another status sets
// nothing. A dialect calls it with each error that it answers with.
func Challenge(h http.Header, err error) {
	if Status(err) != http.StatusUnauthorized {
		return
	}
	challenge := "Bearer"
	var r *Refusal
	if errors.As(err, &r) && r.Invalid {
		challenge = `Bearer error="invalid_token", error_description="` + quotable(r.Issue) + `"`
	}
	h.Set("WWW-Authenticate", challenge)
}

// quotable leaves of s what RFC 6750 allows in an error_description.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}
