package stored

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/activitylog/activitylog/query/internal/requests"
)

type metrics struct {
	waits   prometheus.Histogram
	waiting prometheus.Gauge
	missed  map[string]prometheus.Counter // by reason
}

// Reasons for which a read without a position does not show all that was acknowledged before it.
const (
	missedLate        = "late"        // it has waited as long as it may
	missedBehind      = "behind"      // reads before it have, and the consumer is still that far behind
	missedUnavailable = "unavailable" // Kafka does not say
)

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	missed := f.NewCounterVec(prometheus.CounterOpts{
		Name: "activity_query_reads_behind_total",
		Help: "Reads answered without all entries that were acknowledged before them, by reason.",
	}, []string{"reason"})
	return &metrics{
		missed: map[string]prometheus.Counter{
			missedLate: missed.WithLabelValues(missedLate), missedBehind: missed.WithLabelValues(missedBehind),
			missedUnavailable: missed.WithLabelValues(missedUnavailable),
		},
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
