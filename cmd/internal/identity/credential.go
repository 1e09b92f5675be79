package identity

import (
	"net/http"
	"strings"

	"github.com/activitylog/activitylog/cmd/internal/identity/apikey"
)

// maxCredential bounds a credential, in bytes. A token of 4 KiB is large, and all headers together may have 16 KiB.
const maxCredential = 8 << 10

// keyHeader carries an API key.
const keyHeader = "X-API-Key"

// cookie carries a token to the things dialect, whose clients use a cookie.
const cookie = "ss-tok"

type kind uint8

const (
	noCredential kind = iota
	isToken
	isKey
)

func (k kind) String() string { return [...]string{"none", "jwt", "key"}[k] }

// credential is the credential of a request; its text is not yet checked.
type credential struct {
	kind   kind
	text   string
	cookie bool // a browser sends it by itself
}

var (
	errTwice   = invalid("there is more than one credential")
	errTooLong = invalid("the credentials are too long")
)

// credentialOf reads the credential of a request: Authorization before X-API-Key before the cookie. It ignores a scheme other than
// Bearer, and refuses two different credentials, because a proxy in front may have checked the other one.
func credentialOf(r *http.Request) (credential, error) {
	bearer, err := bearerOf(r.Header["Authorization"])
	if err != nil {
		return credential{}, err
	}
	key, err := single(r.Header[http.CanonicalHeaderKey(keyHeader)])
	switch {
	case err != nil:
		return credential{}, err
	case bearer != "" && key != "" && bearer != key:
		return credential{}, errTwice
	case key != "":
		return credential{kind: isKey, text: key}, tooLong(key)
	}
	fromCookie := false
	if bearer == "" && takesCookie(r.URL.Path) {
		if c, err := r.Cookie(cookie); err == nil {
			bearer, fromCookie = c.Value, true
		}
	}
	if bearer == "" {
		return credential{}, nil
	}
	return credential{kindOf(bearer), bearer, fromCookie}, tooLong(bearer)
}

func tooLong(text string) error {
	if len(text) > maxCredential {
		return errTooLong
	}
	return nil
}

// kindOf distinguishes keys from tokens. No token begins like a key: it would not be the base64 of a JSON object.
func kindOf(bearer string) kind {
	if strings.HasPrefix(bearer, apikey.Prefix) {
		return isKey
	}
	return isToken
}

// bearerOf returns what follows the scheme Bearer, in any case; "" without one.
func bearerOf(values []string) (string, error) {
	value, err := single(values)
	if err != nil {
		return "", err
	}
	scheme, text, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nil
	}
	return strings.TrimSpace(text), nil
}

// single returns the only value of a header; "" without one.
func single(values []string) (string, error) {
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return strings.TrimSpace(values[0]), nil
	}
	return "", errTwice
}

// takesCookie reports whether the path belongs to the things dialect: /actionlogs, /actionlogs.json and so on.
func takesCookie(path string) bool {
	const things = "/actionlogs"
	if len(path) < len(things) || !strings.EqualFold(path[:len(things)], things) {
		return false
	}
	rest := path[len(things):]
	return rest == "" || rest[0] == '.' || rest[0] == '/'
}
