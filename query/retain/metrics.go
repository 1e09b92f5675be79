package retain

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	patches       prometheus.Counter
	folded        prometheus.Counter
	cleanups      prometheus.Counter
	cleanupFaults prometheus.Counter
	webhooks      *prometheus.CounterVec
	usage         usageMetrics
}

// usageMetrics are about ClickHouse: its tables and its disks.
type usageMetrics struct {
	parts, crowded, bytes *prometheus.GaugeVec // by table
	free, size            *prometheus.GaugeVec // by disk
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		patches: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_query_patch_applies_total",
			Help: "Merges of pending patch parts of deletes that this process started.",
		}),
		folded: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_query_folded_entries_total",
			Help: "Entries of an older version whose texts this process has folded, so that a search in any case and script finds them.",
		}),
		cleanups: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_query_cleanups_total",
			Help: "Automatic cleanups of a tenant that this process did.",
		}),
		cleanupFaults: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_query_cleanup_failures_total",
			Help: "Rounds of automatic cleanups that failed.",
		}),
		webhooks: f.NewCounterVec(prometheus.CounterOpts{
			Name: "activity_query_webhooks_total",
			Help: "Notifications of cleanups to the webhook, by outcome: ok or failed.",
		}, []string{"outcome"}),
		usage: usageMetrics{
			parts: f.NewGaugeVec(prometheus.GaugeOpts{
				Name: "activity_query_table_parts",
				Help: "Active parts of a table of ClickHouse.",
			}, []string{"table"}),
			crowded: f.NewGaugeVec(prometheus.GaugeOpts{
				Name: "activity_query_partition_parts",
				Help: "Most active parts that one partition of a table has; by default ClickHouse delays inserts from 1,000 and refuses them from 3,000.",
			}, []string{"table"}),
			bytes: f.NewGaugeVec(prometheus.GaugeOpts{
				Name: "activity_query_table_bytes",
				Help: "Size on disk of a table's active parts.",
			}, []string{"table"}),
			free: f.NewGaugeVec(prometheus.GaugeOpts{
				Name: "activity_query_disk_free_bytes",
				Help: "Free bytes of a disk of ClickHouse.",
			}, []string{"disk"}),
			size: f.NewGaugeVec(prometheus.GaugeOpts{
				Name: "activity_query_disk_size_bytes",
				Help: "Size of a disk of ClickHouse.",
			}, []string{"disk"}),
		},
	}
	for _, outcome := range []string{"ok", "failed"} {
		m.webhooks.WithLabelValues(outcome) // so that the first one is an increase
	}
	return m
}
