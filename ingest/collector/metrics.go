package collector

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// The ends of a request, as labels.
var outcomes = [...]string{"accepted", "partial", "rejected", "conflict", "too_large", "limited", "unavailable", "full", "denied", "error"}

// The write dialects, as labels.
var dialects = [...]string{"fleet", "audit"}

// tally counts what one dialect was asked.
type tally struct {
	requests map[string]prometheus.Counter // by outcome
	accepted prometheus.Counter
	rejected prometheus.Counter
}

type metrics struct {
	dialects      map[string]tally
	repeated      prometheus.Counter
	queueBytes    prometheus.Gauge
	batchEntries  prometheus.Histogram
	batchBytes    prometheus.Histogram
	produce       prometheus.Histogram
	retries       prometheus.Counter
	refusing      *prometheus.GaugeVec
	leaseFailures prometheus.Counter
	keys          prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		dialects: make(map[string]tally, len(dialects)),
		queueBytes: f.NewGauge(prometheus.GaugeOpts{
			Name: "activity_collector_queue_bytes", Help: "Bytes of entries waiting for the broker's acknowledgement.",
		}),
		batchEntries: f.NewHistogram(prometheus.HistogramOpts{
			Name: "activity_collector_batch_entries", Help: "Entries of one produce request.", Buckets: prometheus.ExponentialBuckets(1, 4, 8),
		}),
		batchBytes: f.NewHistogram(prometheus.HistogramOpts{
			Name: "activity_collector_batch_bytes", Help: "Bytes of one produce request.", Buckets: prometheus.ExponentialBuckets(256, 4, 7),
		}),
		produce: f.NewHistogram(prometheus.HistogramOpts{
			Name: "activity_collector_produce_seconds", Help: "Time from sending a batch to its acknowledgement, tries included.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}),
		retries: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_collector_produce_retries_total", Help: "Batches sent again because their first answer was lost.",
		}),
		refusing: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "activity_collector_partition_refusing", Help: "1 while writes to a partition are refused because its broker is away or full.",
		}, []string{"partition"}),
		leaseFailures: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_collector_id_lease_failures_total", Help: "Leases of entry ids that the broker did not grant.",
		}),
		repeated: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_collector_repeated_entries_total", Help: "Entries answered from the window of event keys instead of being written again.",
		}),
		keys: f.NewGauge(prometheus.GaugeOpts{
			Name: "activity_collector_event_keys", Help: "Event keys in the window.",
		}),
	}
	entries := f.NewCounterVec(prometheus.CounterOpts{
		Name: "activity_collector_entries_total", Help: "Entries received, by dialect and by whether they were accepted.",
	}, []string{"dialect", "result"})
	requests := f.NewCounterVec(prometheus.CounterOpts{
		Name: "activity_collector_requests_total", Help: "Write requests, by dialect and by how they ended.",
	}, []string{"dialect", "outcome"})
	for _, d := range dialects {
		of := tally{
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

func (m *metrics) refusingOf(partition int) prometheus.Gauge {
	return m.refusing.WithLabelValues(strconv.Itoa(partition))
}
