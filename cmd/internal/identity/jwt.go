package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/activitylog/activitylog/schema"
)

// tokens checks JSON web tokens (RFC 7519, 8725). The header of a token only selects one of our keys: its algorithm must be one of
// that key's, its kid is looked up in a map, and jku, x5u and jwk are ignored.
type tokens struct {
	parser *jwt.Parser
	secret []byte
	set    *keySet // nil if there is a secret
}

func newTokens(s JWT, log *slog.Logger) *tokens {
	opts := []jwt.ParserOption{jwt.WithExpirationRequired(), jwt.WithStrictDecoding(), jwt.WithLeeway(s.Leeway)}
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

// principal returns the principal that a token proves.
func (t *tokens) principal(ctx context.Context, text string) (schema.Principal, error) {
	claims := jwt.MapClaims{} // claim names are case-sensitive; struct fields are not
	_, err := t.parser.ParseWithClaims(text, claims, func(token *jwt.Token) (any, error) { return t.key(ctx, token) })
	if err != nil {
		return schema.Principal{}, refusalOf(err)
	}
	return principalOf(claims)
}

// key returns the key to check the signature of a token with.
func (t *tokens) key(ctx context.Context, token *jwt.Token) (any, error) {
	if _, critical := token.Header["crit"]; critical { // RFC 7515, 4.1.11: refuse what we do not understand
		return nil, errors.New("a critical header")
	}
	if t.set == nil {
		return t.secret, nil
	}
	kid, _ := token.Header["kid"].(string)
	return t.set.find(ctx, kid, token.Method.Alg())
}

var errExpired = invalid("the token has expired")

// refusalOf tells the bearer of a token no more than it may know.
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
		return invalid("the token lacks a required claim, such as exp")
	case errors.Is(err, jwt.ErrTokenMalformed):
		return invalid("the token is malformed")
	}
	return invalid("the token's signature is not trusted here")
}

// principalOf reads the claims of a verified token.
func principalOf(claims jwt.MapClaims) (schema.Principal, error) {
	tenant, err := text(claims, "tenant")
	if err == nil && tenant == "" {
		tenant, err = text(claims, "org")
	}
	if err != nil {
		return schema.Principal{}, err
	}
	roles, err := list(claims, rolesIn, "role", "roles")
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
	if schema.CheckText("sub", subject, schema.MaxNameBytes) != nil { // the table erasures stores it
		return schema.Principal{}, invalid("the claim sub is too long, or not a text")
	}
	names, err := list(claims, scopesIn, "scope", "scopes", "scp") // Okta and Microsoft Entra write scp
	if err != nil {
		return schema.Principal{}, err
	}
	scopes := scopesOf(names)
	if len(scopes) == 0 { // as in tokens of OpenID Connect, whose scope is "openid profile"
		scopes = ScopesOfRoles(roles)
	}
	return schema.Principal{Tenant: tenant, Subject: subject, Roles: roles, Scopes: scopes}, nil
}

// checkTenant returns why tenant cannot be the tenant of entries; what names the credential in the error.
func checkTenant(what, tenant string) error {
	if tenant == "" {
		return &schema.Refusal{Kind: schema.ErrForbidden, Issue: what + " names no tenant"}
	}
	if schema.CheckText("tenant", tenant, schema.MaxNameBytes) != nil {
		return &schema.Refusal{Kind: schema.ErrForbidden, Issue: what + " names a tenant that cannot be one"}
	}
	return nil
}

// text returns a claim that must be a string if it is present.
func text(claims jwt.MapClaims, name string) (string, error) {
	switch v := claims[name].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	return "", invalid(fmt.Sprintf("the claim %s must be a string", name))
}

// list returns the names in several claims, each a string or a list of strings. split returns the names in a string.
func list(claims jwt.MapClaims, split func(string) []string, names ...string) ([]string, error) {
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
				all = append(all, split(v)...)
			default:
				return nil, invalid(fmt.Sprintf("the claim %s must be a string or a list of strings", name))
			}
		}
	}
	return all, nil
}

// rolesIn returns the roles in a string. A space does not separate them: roles of others may have some in their names.
func rolesIn(v string) (all []string) {
	for _, role := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ';' || r == '|' }) {
		if role = strings.TrimSpace(role); role != "" {
			all = append(all, role)
		}
	}
	return all
}

// scopesIn returns the scopes in a string. They are separated by what the name of a scope cannot have (RFC 6749, section 3.3), and by what
// issuers write in the place of the space: a scope that was overlooked would not narrow the roles. Brackets count only around the whole,
// as of a list that was written as text, and quotes only around a name: orders(create,admin) has no scope of ours.
func scopesIn(v string) []string {
	v = strings.TrimSpace(v)
	for _, pair := range []string{"[]", "()", "{}"} {
		v = within(v, pair)
	}
	all := strings.FieldsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"\\,;|+", r) })
	for i := range all {
		all[i] = within(all[i], "''")
	}
	return all
}

// within returns v without the pair of characters around it.
func within(v, pair string) string {
	if len(v) < 2 || v[0] != pair[0] || v[len(v)-1] != pair[1] {
		return v
	}
	return v[1 : len(v)-1]
}
