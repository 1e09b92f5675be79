package query

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/activitylog/activitylog/schema"
)

type metrics struct {
	requests      *prometheus.CounterVec
	seconds       *prometheus.HistogramVec
	waits         prometheus.Histogram
	waiting       prometheus.Gauge
	patches       prometheus.Counter
	erased        prometheus.Counter
	cleanups      prometheus.Counter
	cleanupFaults prometheus.Counter
	webhooks      *prometheus.CounterVec

	exporting prometheus.Gauge
	exported  prometheus.Counter
	tails     prometheus.Gauge
	tailed    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	buckets := []float64{.002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}
	return &metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "activity_query_requests_total",
			Help: "Requests answered, by kind and outcome.",
		}, []string{"kind", "outcome"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "activity_query_request_seconds",
			Help:    "Time that a request took in the store, waits included, by kind.",
			Buckets: buckets,
		}, []string{"kind"}),
		waits: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "activity_query_wait_seconds",
			Help:    "Time that a request waited for a position to be stored.",
			Buckets: buckets,
		}),
		waiting: f.NewGauge(prometheus.GaugeOpts{
			Name: "activity_query_waiting_requests",
			Help: "Requests that wait for a position to be stored.",
		}),
		cleanups: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_query_cleanups_total",
			Help: "Automatic cleanups of a tenant that this process did.",
		}),
		cleanupFaults: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_query_cleanup_failures_total",
			Help: "Rounds of automatic cleanups that did not come to their end.",
		}),
		webhooks: f.NewCounterVec(prometheus.CounterOpts{
			Name: "activity_query_webhooks_total",
			Help: "Cleanups that a webhook was told of, by outcome: ok or failed.",
		}, []string{"outcome"}),
		erased: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_query_erased_entries_total",
			Help: "Visible entries that were erased by the administrator's requests and by cleanups.",
		}),
		patches: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_query_patch_applies_total",
			Help: "Times that pending patch parts of deletes were asked to be merged in.",
		}),
		exporting: f.NewGauge(prometheus.GaugeOpts{
			Name: "activity_query_exports",
			Help: "Exports that are under way.",
		}),
		exported: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_query_exported_entries_total",
			Help: "Entries that exports handed out.",
		}),
		tails: f.NewGauge(prometheus.GaugeOpts{
			Name: "activity_query_tails",
			Help: "Tails that follow.",
		}),
		tailed: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_query_tailed_entries_total",
			Help: "Entries that tails handed out.",
		}),
	}
}

// countActions tells how many actions have a code.
func (m *metrics) countActions(reg prometheus.Registerer, known func() int) {
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "activity_query_action_codes",
		Help: "Action names that have a code, as far as this process has read; at most 262144.",
	}, func() float64 { return float64(known()) })
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

// observe counts a request of kind that began at start and ended with *err. Call it deferred.
func (m *metrics) observe(kind string, start time.Time, err *error) {
	m.requests.WithLabelValues(kind, outcome(*err)).Inc()
	m.seconds.WithLabelValues(kind).Observe(time.Since(start).Seconds())
}
