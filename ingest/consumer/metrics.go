package consumer

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// The kinds of alarms, as labels.
var alarms = [...]string{"beyond_end", "config", "intent_lost", "log", "metadata", "rejected", "renumbered", "reused", "tables_lost", "trimmed"}

type metrics struct {
	entries *prometheus.CounterVec
	rows    prometheus.Histogram
	inserts *prometheus.HistogramVec
	lag     *prometheus.GaugeVec
	age     *prometheus.GaugeVec
	refused prometheus.Counter
	replays prometheus.Counter
	hurried prometheus.Counter
	deletes prometheus.Counter
	dead    prometheus.Counter
	alarms  *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		entries: f.NewCounterVec(prometheus.CounterOpts{
			Name: "activity_consumer_entries_total",
			Help: "Entries read, by outcome: stored, repeated (written twice by a producer), keyed (repeats of an event key), recovered (stored before), erased (deleted before).",
		}, []string{"outcome"}),
		rows: f.NewHistogram(prometheus.HistogramOpts{
			Name: "activity_consumer_batch_rows", Help: "Entries of a batch.",
			Buckets: []float64{1, 10, 100, 1e3, 1e4, 3e4, 1e5, 3e5, 1e6},
		}),
		inserts: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "activity_consumer_insert_seconds", Help: "Time until ClickHouse had stored a block, retries included, by table.",
			Buckets: []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30},
		}, []string{"table"}),
		lag: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "activity_consumer_lag_records", Help: "Records of the log that are not stored yet, by partition.",
		}, []string{"partition"}),
		age: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "activity_consumer_lag_seconds", Help: "Age of the oldest record that is not stored yet, by partition.",
		}, []string{"partition"}),
		refused: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_consumer_refused_intents_total", Help: "Commits that the group refused because it had moved on to another generation.",
		}),
		replays: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_consumer_replays_total", Help: "Batches stored again because their previous consumer did not commit that they were complete.",
		}),
		hurried: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_consumer_hurried_batches_total", Help: "Batches that were stored before their turn because a reader waited for them.",
		}),
		deletes: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_consumer_deletes_total", Help: "Delete commands applied.",
		}),
		dead: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_consumer_dead_letters_total", Help: "Entries and records that could not be stored and were sent to dead letters.",
		}),
		alarms: f.NewCounterVec(prometheus.CounterOpts{
			Name: "activity_consumer_alarms_total", Help: "Conditions that an operator should look at, by kind.",
		}, []string{"kind"}),
	}
	for _, kind := range alarms {
		m.alarms.WithLabelValues(kind) // so that the first one is an increase
	}
	return m
}

// partitionMetrics are the metrics of one partition while it is assigned to this consumer.
type partitionMetrics struct {
	*metrics
	label    string
	lag, age prometheus.Gauge
}

func (m *metrics) of(partition int) partitionMetrics {
	label := strconv.Itoa(partition)
	return partitionMetrics{metrics: m, label: label, lag: m.lag.WithLabelValues(label), age: m.age.WithLabelValues(label)}
}

func (m *partitionMetrics) stored(a *assembly, b *batch) {
	m.rows.Observe(float64(b.entries))
	for outcome, n := range map[string]int{
		"stored": a.outcomes.stored, "repeated": a.outcomes.repeated, "keyed": a.outcomes.keyed,
		"recovered": a.outcomes.recovered, "erased": a.outcomes.erased,
	} {
		if n > 0 {
			m.entries.WithLabelValues(outcome).Add(float64(n))
		}
	}
}

// remove deletes the partition's series: another member has the partition now.
func (m *partitionMetrics) remove() {
	m.metrics.lag.DeleteLabelValues(m.label)
	m.metrics.age.DeleteLabelValues(m.label)
}
