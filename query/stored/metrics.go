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
	nudges  map[bool]prometheus.Counter   // by whether Kafka took them
}

// Reasons for which a read without a position does not show all that was acknowledged before it.
const (
	missedLate        = "late"        // it has waited as long as it may
	missedBehind      = "behind"      // reads before it waited too long, and the consumer is still that far behind
	missedUnavailable = "unavailable" // Kafka does not say
)

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	missed := f.NewCounterVec(prometheus.CounterOpts{
		Name: "activity_query_reads_behind_total",
		Help: "Reads answered without all entries that were acknowledged before them, by reason.",
	}, []string{"reason"})
	nudges := f.NewCounterVec(prometheus.CounterOpts{
		Name: "activity_query_nudges_total",
		Help: "Requests to the consumer to store at once what a reader waits for, by outcome: sent or failed.",
	}, []string{"outcome"})
	return &metrics{
		nudges: map[bool]prometheus.Counter{true: nudges.WithLabelValues("sent"), false: nudges.WithLabelValues("failed")},
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
