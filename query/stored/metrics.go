package stored

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/activitylog/activitylog/query/internal/requests"
)

type metrics struct {
	waits   prometheus.Histogram
	waiting prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		waits: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "activity_query_wait_seconds",
			Help:    "Time that a request waited for a position to be stored.",
			Buckets: requests.Buckets,
		}),
		waiting: f.NewGauge(prometheus.GaugeOpts{
			Name: "activity_query_waiting_requests",
			Help: "Requests that wait for a position to be stored.",
		}),
	}
}
