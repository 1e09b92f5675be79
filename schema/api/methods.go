package api

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

// Methods are the methods that r's path supports in this process, by the routes whose patterns count, for the header Allow. Every GET
// answers a HEAD.
func Methods(r *http.Request, counts func(pattern string) bool) (methods []string) {
	at := r.URL.RawPath // as chi matches it
	if at == "" {
		at = r.URL.Path
	}
	routes := chi.RouteContext(r.Context()).Routes
	for _, method := range [...]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		found := routes.Find(chi.NewRouteContext(), method, at)
		if found == "" || !counts(found) {
			continue
		}
		methods = append(methods, method)
		if method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	return methods
}
