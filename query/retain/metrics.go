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
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
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
	}
}
