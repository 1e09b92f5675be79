package identity

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	requests *prometheus.CounterVec
	keysSeen prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "activity_auth_requests_total",
			Help: "Requests by what their credentials were and what came of them: ok, missing, invalid, expired, forbidden, unavailable, limited.",
		}, []string{"credential", "outcome"}),
		keysSeen: f.NewGauge(prometheus.GaugeOpts{
			Name: "activity_auth_keys_read_timestamp_seconds",
			Help: "Unix time at which the topic of API keys was last read to its end; what was revoked after it is still taken. 0 where keys are not taken.",
		}),
	}
}

func (m *metrics) count(k kind, err error) {
	m.requests.WithLabelValues(k.String(), outcomeOf(err)).Inc()
}
