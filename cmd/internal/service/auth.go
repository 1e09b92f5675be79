package service

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"

	"github.com/activitylog/activitylog/schema"
)

// Auth says who may ask.
type Auth struct {
	Auth     string `help:"Who may ask: none gives everyone every right, on loopback only." default:"none" env:"AUTH"`
	Insecure bool   `help:"Take requests from other hosts although AUTH is none." env:"INSECURE"`
}

// Check says what is wrong with a for a service that listens at addr.
func (a Auth) Check(addr string) error {
	if a.Auth != "none" {
		return fmt.Errorf("AUTH: none is all there is in this version, but it is %q", a.Auth)
	}
	if !a.Insecure && !Loopback(addr) {
		return fmt.Errorf("HTTP_ADDR: %s can be reached from other hosts and AUTH is none: take a loopback address, or set INSECURE=true", addr)
	}
	return nil
}

// Loopback reports whether only this machine reaches addr, a host:port.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// identify gives each request its principal.
func (a Auth) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(schema.WithPrincipal(r.Context(), schema.Anonymous())))
	})
}
