package publish

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	repeated      prometheus.Counter
	queueBytes    prometheus.Gauge
	batchEntries  prometheus.Histogram
	batchBytes    prometheus.Histogram
	produce       prometheus.Histogram
	retries       prometheus.Counter
	refusing      *prometheus.GaugeVec
	leaseFailures prometheus.Counter
	logRefused    prometheus.Gauge
	keys          prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
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
			Name: "activity_collector_produce_seconds", Help: "Time from sending a batch to its acknowledgement, retries included.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}),
		retries: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_collector_produce_retries_total", Help: "Batches sent again because their acknowledgement was lost.",
		}),
		refusing: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "activity_collector_partition_refusing", Help: "1 while writes to a partition are refused because its broker is unavailable or its disk is full.",
		}, []string{"partition"}),
		leaseFailures: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_collector_id_lease_failures_total", Help: "Leases of entry ids that the broker did not grant.",
		}),
		logRefused: f.NewGauge(prometheus.GaugeOpts{
			Name: "activity_collector_log_refusing", Help: "1 while no writes are taken because the topics are not those that the tables belong to, or no consumer has compared them yet.",
		}),
		repeated: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_collector_repeated_entries_total", Help: "Entries answered from the window of event keys instead of being written again.",
		}),
		keys: f.NewGauge(prometheus.GaugeOpts{
			Name: "activity_collector_event_keys", Help: "Event keys in the window.",
		}),
	}
}

func (m *metrics) refusingOf(partition int) prometheus.Gauge {
	return m.refusing.WithLabelValues(strconv.Itoa(partition))
}
