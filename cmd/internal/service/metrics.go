package service

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	seconds *prometheus.HistogramVec
	refused prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "activity_http_request_seconds", Help: "Time from the header of a request to the end of its response; status 499: the client left before it.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"method", "route", "status"}),
		refused: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_http_connections_refused_total", Help: "Connections closed at once because HTTP_MAX_CONNS were open.",
		}),
	}
}

// route returns the pattern that matched the request. Patterns are a closed set; paths are not.
func route(r *http.Request) string {
	if c := chi.RouteContext(r.Context()); c != nil && c.RoutePattern() != "" {
		return c.RoutePattern()
	}
	return "none"
}

func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}
