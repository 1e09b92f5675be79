package identity

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	requests [isKey + 1]map[string]prometheus.Counter // by kind of credential and outcome
	keysSeen prometheus.Gauge
}

// outcomes are what can come of a request's credentials.
var outcomes = []string{"ok", "missing", "invalid", "expired", "forbidden", "unavailable", "limited"}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	requests := f.NewCounterVec(prometheus.CounterOpts{
		Name: "activity_auth_requests_total", Help: "Requests by what their credentials were and what came of them.",
	}, []string{"credential", "outcome"})
	m := &metrics{keysSeen: f.NewGauge(prometheus.GaugeOpts{
		Name: "activity_auth_keys_read_timestamp_seconds",
		Help: "Unix time at which the topic of API keys was last read to its end; what was revoked after it is still taken. 0 where keys are not taken.",
	})}
	for k := range m.requests {
		m.requests[k] = map[string]prometheus.Counter{}
		for _, o := range outcomes {
			m.requests[k][o] = requests.WithLabelValues(kind(k).String(), o)
		}
	}
	return m
}

func (m *metrics) count(k kind, err error) { m.requests[k][outcomeOf(err)].Inc() }
