package schema

import "net/netip"

// IsLoopback reports whether a host, without a port, is reached only from this machine: localhost, or an address of 127.0.0.0/8
// or ::1. Other names are not looked up; they count as remote.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
