package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/golang-jwt/jwt/v5"

	"github.com/activitylog/activitylog/schema"
)

// tokens checks JSON web tokens (RFC 7519, 8725). What a token's header says chooses between keys of ours and does nothing
// else: its algorithm must be one that its key is for, its kid is looked up in a map, and jku, x5u and jwk are not looked at.
type tokens struct {
	parser *jwt.Parser
	secret []byte
	set    *keySet // nil where there is a secret
}

func newTokens(s JWT, log *slog.Logger) *tokens {
	opts := []jwt.ParserOption{jwt.WithExpirationRequired(), jwt.WithStrictDecoding()}
	if s.Issuer != "" {
		opts = append(opts, jwt.WithIssuer(s.Issuer))
	}
	if s.Audience != "" {
		opts = append(opts, jwt.WithAudience(s.Audience))
	}
	t := &tokens{}
	if s.JWKSURL != "" {
		t.set = newKeySet(s.JWKSURL, log)
		opts = append(opts, jwt.WithValidMethods(publicMethods))
	} else {
		t.secret = []byte(s.Secret.Reveal())
		opts = append(opts, jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}))
	}
	t.parser = jwt.NewParser(opts...)
	return t
}

// principal is whom a token vouches for.
func (t *tokens) principal(ctx context.Context, text string) (schema.Principal, error) {
	claims := jwt.MapClaims{} // names of claims tell large letters from small ones; fields of a struct do not
	_, err := t.parser.ParseWithClaims(text, claims, func(token *jwt.Token) (any, error) { return t.key(ctx, token) })
	if err != nil {
		return schema.Principal{}, refusalOf(err)
	}
	return principalOf(claims)
}

// key is what the token's signature is to be checked with.
func (t *tokens) key(ctx context.Context, token *jwt.Token) (any, error) {
	if _, critical := token.Header["crit"]; critical { // RFC 7515, 4.1.11: not understood, so not to be accepted
		return nil, errors.New("a critical header")
	}
	if t.set == nil {
		return t.secret, nil
	}
	kid, _ := token.Header["kid"].(string)
	return t.set.find(ctx, kid, token.Method.Alg())
}

var errExpired = invalid("the token has expired")

// refusalOf says of a token as much as its bearer may know.
func refusalOf(err error) error {
	var own *schema.Refusal
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, jwt.ErrTokenExpired):
		return errExpired
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return invalid("the token is not valid yet")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return invalid("the token is of another issuer")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return invalid("the token is for another audience")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return invalid("the token lacks a claim that it must have, such as exp")
	case errors.Is(err, jwt.ErrTokenMalformed):
		return invalid("the token is malformed")
	}
	return invalid("the token's signature is not one that is trusted here")
}

// principalOf reads the claims of a token that was verified.
func principalOf(claims jwt.MapClaims) (schema.Principal, error) {
	tenant, err := text(claims, "tenant")
	if err == nil && tenant == "" {
		tenant, err = text(claims, "org")
	}
	if err != nil {
		return schema.Principal{}, err
	}
	roles, err := list(claims, "role", "roles")
	if err != nil {
		return schema.Principal{}, err
	}
	if err := checkTenant("the token", tenant); err != nil {
		return schema.Principal{}, err
	}
	subject, err := text(claims, "sub")
	if err != nil {
		return schema.Principal{}, err
	}
	if schema.CheckText("sub", subject, schema.MaxNameBytes) != nil { // erasures are noted with it
		return schema.Principal{}, invalid("the claim sub is too long, or no text")
	}
	scope, given := claims["scope"]
	if !given || scope == nil {
		return schema.Principal{Tenant: tenant, Subject: subject, Roles: roles, Scopes: ScopesOfRoles(roles)}, nil
	}
	scopes, err := text(claims, "scope")
	return schema.Principal{Tenant: tenant, Subject: subject, Roles: roles, Scopes: scopesOf(scopes)}, err
}

// checkTenant says whether entries may have the tenant; what is the thing that names it.
func checkTenant(what, tenant string) error {
	if tenant == "" {
		return &schema.Refusal{Kind: schema.ErrForbidden, Issue: what + " names no tenant"}
	}
	if schema.CheckText("tenant", tenant, schema.MaxNameBytes) != nil {
		return &schema.Refusal{Kind: schema.ErrForbidden, Issue: what + " names a tenant that cannot be one"}
	}
	return nil
}

// text is a claim that must be a string if it is there.
func text(claims jwt.MapClaims, name string) (string, error) {
	switch v := claims[name].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	return "", invalid(fmt.Sprintf("the claim %s must be a string", name))
}

// list is all that the claims name, each a string or a list of strings.
func list(claims jwt.MapClaims, names ...string) ([]string, error) {
	var all []string
	for _, name := range names {
		values, ok := claims[name].([]any)
		if !ok {
			values = []any{claims[name]}
		}
		for _, v := range values {
			switch v := v.(type) {
			case nil:
			case string:
				all = append(all, v)
			default:
				return nil, invalid(fmt.Sprintf("the claim %s must be a string or a list of strings", name))
			}
		}
	}
	return all, nil
}
