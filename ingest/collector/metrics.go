package collector

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// How a request can end, as labels.
var outcomes = [...]string{"accepted", "partial", "rejected", "conflict", "too_large", "stalled", "left", "limited", "unavailable", "unknown", "full", "denied", "error"}

// The write dialects, as labels.
var dialects = [...]string{"fleet", "audit"}

// counters are the counters of one dialect.
type counters struct {
	requests map[string]prometheus.Counter // by outcome
	accepted prometheus.Counter
	rejected prometheus.Counter
}

type metrics struct{ dialects map[string]counters }

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	entries := f.NewCounterVec(prometheus.CounterOpts{
		Name: "activity_collector_entries_total", Help: "Entries received, by dialect and by whether they were accepted.",
	}, []string{"dialect", "result"})
	requests := f.NewCounterVec(prometheus.CounterOpts{
		Name: "activity_collector_requests_total", Help: "Write requests, by dialect and by how they ended.",
	}, []string{"dialect", "outcome"})
	m := &metrics{dialects: make(map[string]counters, len(dialects))}
	for _, d := range dialects {
		of := counters{
			requests: make(map[string]prometheus.Counter, len(outcomes)),
			accepted: entries.WithLabelValues(d, "accepted"), rejected: entries.WithLabelValues(d, "rejected"),
		}
		for _, o := range outcomes {
			of.requests[o] = requests.WithLabelValues(d, o)
		}
		m.dialects[d] = of
	}
	return m
}
