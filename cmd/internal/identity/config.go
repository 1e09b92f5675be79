package identity

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/service"
)

// minSecret is the shortest secret for HS256, the length of its hash (RFC 7518, 3.2).
const minSecret = 32

// Config sets which credentials are accepted.
type Config struct {
	Auth     string `help:"Accepted credentials: keys, jwt or keys,jwt; none: everyone may do everything, on loopback only." env:"AUTH"`
	Insecure bool   `help:"Accept requests from other hosts although AUTH is none." env:"INSECURE"`
	JWT      JWT    `embed:"" prefix:"jwt-"`

	AllowedHosts []string `help:"Names of this service beside loopback's that requests may name as their Host while AUTH is none, with commas between; *: any." placeholder:"HOST" env:"ALLOWED_HOSTS"`
	CORSOrigins  []string `name:"cors-origins" help:"Origins of other sites whose pages may call, scheme://host[:port], with commas between; *: any." placeholder:"ORIGIN" env:"CORS_ORIGINS"`
}

// JWT sets which tokens are accepted.
type JWT struct {
	Signing
	JWKSURL string        `name:"jwks-url" help:"URL of the public keys of RS and ES tokens, instead of JWT_SECRET: https, or http on loopback." placeholder:"URL" env:"JWT_JWKS_URL"`
	Leeway  time.Duration `help:"How much the clocks of this service and of the issuer of tokens may differ." env:"JWT_LEEWAY"`
}

// The leeway of tokens: the default is common among libraries, and the maximum still limits the use of a stolen token.
const (
	leeway    = 30 * time.Second
	maxLeeway = 10 * time.Minute
)

// Signing has the secret to sign tokens with, and their issuer and audience.
type Signing struct {
	Secret   service.Secret `help:"Secret of HS256 tokens, 32 bytes or more." env:"JWT_SECRET"`
	Issuer   string         `help:"Required issuer of tokens (iss); empty: any." env:"JWT_ISSUER"`
	Audience string         `help:"Required audience of tokens (aud); empty: any." env:"JWT_AUDIENCE"`
}

// Defaults requires no credentials.
func (s *Config) Defaults() { s.Auth, s.JWT.Leeway = "none", leeway }

// Validate returns everything that is wrong with s for a service that listens on addr.
func (s Config) Validate(addr string) error {
	var faults []error
	for _, origin := range s.CORSOrigins {
		if u, err := url.Parse(origin); origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "") {
			faults = append(faults, fmt.Errorf("CORS_ORIGINS: %q is not an origin: want scheme://host[:port], such as https://app.example.com", origin))
		}
	}
	for _, host := range s.AllowedHosts {
		if host == "" || strings.ContainsAny(host, "/ ") {
			faults = append(faults, fmt.Errorf("ALLOWED_HOSTS: %q is not the name of a host: want host or host:port, such as logs.example.com", host))
		}
	}
	for way := range strings.SplitSeq(s.Auth, ",") {
		if way = strings.TrimSpace(way); way != "keys" && way != "jwt" && s.Auth != "none" {
			faults = append(faults, fmt.Errorf("AUTH: must be none, keys, jwt or keys,jwt, but is %q", s.Auth))
			break
		}
	}
	_, _, malformed := net.SplitHostPort(addr) // service.HTTP reports it
	if s.Auth == "none" && !s.Insecure && malformed == nil && !service.Loopback(addr) {
		faults = append(faults, fmt.Errorf("HTTP_ADDR: %s can be reached from other hosts and AUTH is none: use a loopback address, set AUTH, or set INSECURE=true", addr))
	}
	switch {
	case s.takes("jwt"):
		faults = append(faults, s.JWT.validate())
	case s.JWT.Secret+service.Secret(s.JWT.JWKSURL) != "":
		faults = append(faults, fmt.Errorf("AUTH: JWT_SECRET or JWT_JWKS_URL is set, but AUTH is %q: add jwt to it", s.Auth))
	}
	return errors.Join(faults...)
}

// takes reports whether AUTH lists the kind of credential.
func (s Config) takes(kind string) bool {
	return slices.ContainsFunc(strings.Split(s.Auth, ","), func(way string) bool { return strings.TrimSpace(way) == kind })
}

func (j JWT) validate() error {
	secret := j.Secret.Reveal()
	switch {
	case j.Leeway < 0 || j.Leeway > maxLeeway:
		return fmt.Errorf("JWT_LEEWAY: must be from 0s to %v, but is %v", maxLeeway, j.Leeway)
	case secret == "" && j.JWKSURL == "":
		return errors.New("AUTH: jwt needs JWT_SECRET or JWT_JWKS_URL")
	case secret != "" && j.JWKSURL != "":
		return errors.New("JWT_SECRET and JWT_JWKS_URL: set only one of them")
	case j.JWKSURL != "":
		u, err := url.Parse(j.JWKSURL)
		if err == nil {
			err = checkURL(u)
		}
		if err != nil {
			return fmt.Errorf("JWT_JWKS_URL: %w", err)
		}
	default:
		return j.Validate()
	}
	return nil
}

// Validate returns what is wrong with the secret.
func (s Signing) Validate() error {
	if n := len(s.Secret.Reveal()); n < minSecret {
		return fmt.Errorf("JWT_SECRET: must have %d bytes or more, but has %d", minSecret, n)
	}
	return nil
}

// Command returns the activityctl command that creates a credential for every API; "" if none is needed or activityctl cannot create
// one.
func (s Config) Command() string {
	switch {
	case s.takes("keys"):
		return "key create --tenant default --role ADMIN --name first"
	case s.takes("jwt") && s.JWT.JWKSURL == "":
		return "token --tenant default --role ADMIN"
	}
	return ""
}

// Env returns variables, one per line, with which other services accept the same credentials and activityctl signs tokens for s.
func (s Config) Env() string {
	var b strings.Builder
	clocks := ""
	if s.takes("jwt") && s.JWT.Leeway != leeway {
		clocks = s.JWT.Leeway.String()
	}
	for _, v := range [][2]string{
		{"AUTH", s.Auth}, {"JWT_SECRET", s.JWT.Secret.Reveal()}, {"JWT_JWKS_URL", s.JWT.JWKSURL}, {"JWT_ISSUER", s.JWT.Issuer}, {"JWT_AUDIENCE", s.JWT.Audience}, {"JWT_LEEWAY", clocks},
	} {
		if v[1] != "" {
			fmt.Fprintf(&b, "%s=%s\n", v[0], v[1])
		}
	}
	return b.String()
}
