// Package requests counts the requests that the packages of query answer, by kind and outcome, in one pair of metrics.
package requests

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/schema"
)

// Buckets are the bounds of the times of requests and waits, in seconds.
var Buckets = []float64{.002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}

// Metrics counts requests.
type Metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// New registers the metrics with reg, or uses the ones that another package has registered there.
func New(reg prometheus.Registerer) *Metrics {
	return &Metrics{
		requests: shared(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "activity_query_requests_total",
			Help: "Requests answered, by kind and outcome.",
		}, []string{"kind", "outcome"})),
		seconds: shared(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "activity_query_request_seconds",
			Help:    "Time to answer a request, waits included, by kind.",
			Buckets: Buckets,
		}, []string{"kind"})),
	}
}

func shared[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	var before prometheus.AlreadyRegisteredError
	switch err := reg.Register(c); {
	case errors.As(err, &before):
		return before.ExistingCollector.(C)
	case err != nil:
		panic(err)
	}
	return c
}

// Observe counts a request of kind that began at start and ended with *err. Call it deferred.
func (m *Metrics) Observe(kind string, start time.Time, err *error) {
	m.Count(kind, *err)
	m.seconds.WithLabelValues(kind).Observe(time.Since(start).Seconds())
}

// Count counts a request of kind that ended with err, without its time.
func (m *Metrics) Count(kind string, err error) {
	m.requests.WithLabelValues(kind, outcome(err)).Inc()
}

// outcomes are the values of the label outcome: the kinds of fault, and nothing that a caller can make up.
var outcomes = []struct {
	kind error
	name string
}{
	{context.Canceled, "canceled"},
	{schema.ErrTooLarge, "refused"},
	{schema.ErrInvalid, "refused"},
	{schema.ErrUnauthenticated, "refused"},
	{schema.ErrForbidden, "refused"},
	{schema.ErrNotFound, "not_found"},
	{schema.ErrUnavailable, "unavailable"},
	{schema.ErrTimeout, "timeout"},
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	for _, o := range outcomes {
		if errors.Is(err, o.kind) {
			return o.name
		}
	}
	return "error"
}
