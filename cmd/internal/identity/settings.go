package identity

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/activitylog/activitylog/cmd/internal/service"
)

// minSecret is the least length of a secret for HS256, that of its hash (RFC 7518, 3.2).
const minSecret = 32

// Settings say who may ask.
type Settings struct {
	Auth     string `help:"Who may ask: none gives everyone every right, on loopback only; jwt wants tokens." default:"none" env:"AUTH"`
	Insecure bool   `help:"Take requests from other hosts although AUTH is none." env:"INSECURE"`
	JWT      JWT    `embed:"" prefix:"jwt-"`
}

// JWT says which tokens are good.
type JWT struct {
	Secret   service.Secret `help:"Secret of HS256 tokens, 32 bytes or more." env:"JWT_SECRET"`
	JWKSURL  string         `name:"jwks-url" help:"Where the public keys of RS and ES tokens are, in place of JWT_SECRET: https, or http on loopback." placeholder:"URL" env:"JWT_JWKS_URL"`
	Issuer   string         `help:"Tokens of another issuer (iss) are refused." env:"JWT_ISSUER"`
	Audience string         `help:"Tokens that are not for this audience (aud) are refused." env:"JWT_AUDIENCE"`
}

// Check says what is wrong with s for a service that listens at addr.
func (s Settings) Check(addr string) error {
	if s.Auth == "none" {
		if !s.Insecure && !service.Loopback(addr) {
			return fmt.Errorf("HTTP_ADDR: %s can be reached from other hosts and AUTH is none: take a loopback address, set AUTH, or set INSECURE=true", addr)
		}
		return nil
	}
	for way := range strings.SplitSeq(s.Auth, ",") {
		if way = strings.TrimSpace(way); way != "jwt" {
			return fmt.Errorf("AUTH: none or jwt, but it is %q", s.Auth)
		}
	}
	if s.takes("jwt") {
		return s.JWT.check()
	}
	return nil
}

// takes reports whether AUTH lists the kind of credentials.
func (s Settings) takes(kind string) bool {
	return slices.ContainsFunc(strings.Split(s.Auth, ","), func(way string) bool { return strings.TrimSpace(way) == kind })
}

func (j JWT) check() error {
	secret := j.Secret.Reveal()
	switch {
	case secret == "" && j.JWKSURL == "":
		return errors.New("AUTH: jwt needs JWT_SECRET or JWT_JWKS_URL")
	case secret != "" && j.JWKSURL != "":
		return errors.New("JWT_SECRET and JWT_JWKS_URL: want one of them, for a token is signed with a secret or with a key")
	case j.JWKSURL != "":
		u, err := url.Parse(j.JWKSURL)
		if err == nil {
			err = checkURL(u)
		}
		if err != nil {
			return fmt.Errorf("JWT_JWKS_URL: %w", err)
		}
	default:
		return CheckSecret(secret)
	}
	return nil
}

// CheckSecret says what is wrong with a secret for HS256.
func CheckSecret(secret string) error {
	if len(secret) < minSecret {
		return fmt.Errorf("JWT_SECRET: must have %d bytes or more, but has %d", minSecret, len(secret))
	}
	return nil
}
