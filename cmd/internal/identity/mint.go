package identity

import (
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/activitylog/activitylog/schema"
)

// Mint returns a token for p that expires after lifetime. Without scopes, the token has those of its roles. The secret must be valid.
func (s Signing) Mint(p schema.Principal, lifetime time.Duration) (string, error) {
	now := time.Now()
	claims := jwt.MapClaims{"sub": p.Subject, "tenant": p.Tenant, "iat": now.Unix(), "exp": now.Add(lifetime).Unix()}
	if len(p.Roles) > 0 {
		claims["roles"] = p.Roles
	}
	if len(p.Scopes) > 0 {
		names := make([]string, len(p.Scopes))
		for i, scope := range p.Scopes {
			names[i] = string(scope)
		}
		claims["scope"] = strings.Join(names, " ")
	}
	if s.Issuer != "" {
		claims["iss"] = s.Issuer
	}
	if s.Audience != "" {
		claims["aud"] = s.Audience
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(s.Secret.Reveal()))
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return text, nil
}
