package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/activitylog/activitylog/schema"
)

// Challenge sets the header WWW-Authenticate (RFC 6750) if the status of err is 401; otherwise it does nothing. A dialect calls it with
// each error that it answers.
func Challenge(h http.Header, err error) {
	if Status(err) != http.StatusUnauthorized {
		return
	}
	challenge := "Bearer"
	var r *schema.Refusal
	if errors.As(err, &r) && r.Invalid {
		challenge = `Bearer error="invalid_token", error_description="` + quotable(r.Issue) + `"`
	}
	h.Set("WWW-Authenticate", challenge)
}

// quotable removes the characters that RFC 6750 does not allow in an error_description.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}
