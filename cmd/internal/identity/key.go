package identity

import (
	"time"

	"github.com/activitylog/activitylog/cmd/internal/identity/apikey"
	"github.com/activitylog/activitylog/schema"
)

var (
	errNoSuchKey  = invalid("the API key is not known here")
	errKeyRevoked = invalid("the API key has been revoked")
	errKeyExpired = invalid("the API key has expired")
	errKeysUnread = &schema.Refusal{Kind: schema.ErrUnavailable, Issue: "API keys cannot be checked at the moment, try again"}
	errTooFast    = &schema.Refusal{Kind: schema.ErrRateLimited, Issue: "the API key is used too often"}
)

// ofKey returns the principal that an API key proves. Only a caller with its secret learns more about a key than that it is refused.
func (i *Identity) ofKey(text string) (schema.Principal, error) {
	id, secret, err := apikey.Parse(text)
	if err != nil {
		return schema.Principal{}, errNoSuchKey
	}
	if i.keys.Ready() != nil {
		return schema.Principal{}, errKeysUnread
	}
	key, ok := i.keys.Find(id)
	now := time.Now()
	switch {
	case !ok, !key.Opens(secret):
		return schema.Principal{}, errNoSuchKey
	case !key.Revoked.IsZero():
		return schema.Principal{}, errKeyRevoked
	case key.Expired(now):
		return schema.Principal{}, errKeyExpired
	}
	if delay := key.Delay(now); delay > 0 {
		return schema.Principal{}, &schema.RetryError{After: delay, Err: errTooFast}
	}
	return schema.Principal{Tenant: key.Tenant, Subject: "key:" + key.ID, Roles: key.Roles, Scopes: key.Scopes}, nil
}
