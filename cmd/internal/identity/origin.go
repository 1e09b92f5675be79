package identity

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/schema"
)

// origins decides what a web page may do. Browsers send requests of any page to any host, loopback included, and add what the
// service trusts by itself: the caller's network position (AUTH=none) and cookies.
type origins struct {
	hosts []string // beside loopback; * is any
	pages []string // origins of other sites whose pages may call, scheme://host[:port]; * is any
}

// host refuses a request that names a host which is not this service. A page whose own name was made to resolve to 127.0.0.1 (DNS
// rebinding) sends that name, and is of the same origin for the browser. A request that names none, as HTTP/1.0 allows, is of no browser.
func (o origins) host(r *http.Request) error {
	host := r.Host
	if host == "" {
		return nil
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if service.Loopback(net.JoinHostPort(host, "0")) || listed(o.hosts, host) || listed(o.hosts, r.Host) {
		return nil
	}
	return &schema.Refusal{Kind: schema.ErrMisdirected, Issue: fmt.Sprintf("host %.100q is not allowed here: add it to ALLOWED_HOSTS", host)}
}

// page refuses a request that changes something and that another site's page sent. Sec-Fetch-Site and Origin are set by the browser;
// a page can't change them (Fetch standard, forbidden request headers).
func (o origins) page(r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	origin := r.Header.Get("Origin")
	if origin != "" && (sameHost(origin, r.Host) || listed(o.pages, origin)) {
		return nil
	}
	if origin == "" && r.Header.Get("Sec-Fetch-Site") != "cross-site" {
		return nil
	}
	return &schema.Refusal{Kind: schema.ErrForbidden, Issue: "pages of other sites may not do this: add their origin to CORS_ORIGINS"}
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

func listed(all []string, name string) bool {
	return slices.ContainsFunc(all, func(a string) bool { return a == "*" || strings.EqualFold(a, name) })
}

// What a page of another site may send and see.
const (
	corsMethods = "GET, HEAD, POST, PUT, DELETE"
	corsHeaders = "Authorization, Content-Type, Content-Encoding, Idempotency-Key, Last-Event-ID, X-API-Key, X-Activity-Position, X-Request-Id"
	corsExposed = "Retry-After, X-Activity-Position, X-Export-Snapshot, X-Next-Cursor, X-Request-Id"
)

// CORS answers preflight requests of the pages that CORS_ORIGINS lists, on every path, and lets them read answers (Fetch standard,
// CORS protocol). Without CORS_ORIGINS it does nothing.
func (i *Identity) CORS(next http.Handler) http.Handler {
	if len(i.origins.pages) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, origin := w.Header(), r.Header.Get("Origin")
		h.Add("Vary", "Origin")
		if origin != "" && listed(i.origins.pages, origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", corsExposed)
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", corsMethods)
				h.Set("Access-Control-Allow-Headers", corsHeaders)
				h.Set("Access-Control-Max-Age", "600")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// trusts returns why the request may not use what a browser adds by itself; nil for all other requests.
func (i *Identity) trusts(r *http.Request, c credential) error {
	if i.anonymous {
		if err := i.origins.host(r); err != nil {
			return err
		}
	}
	if i.anonymous || c.cookie {
		return i.origins.page(r)
	}
	return nil
}
