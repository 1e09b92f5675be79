package identity

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	requests [isKey + 1]map[string]prometheus.Counter // by kind of credential and outcome
	keysSeen prometheus.Gauge
}

// outcomes are the values of the label outcome.
var outcomes = []string{"ok", "missing", "invalid", "expired", "forbidden", "unavailable", "limited"}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	requests := f.NewCounterVec(prometheus.CounterOpts{
		Name: "activity_auth_requests_total", Help: "Requests by kind of credential and outcome of its check.",
	}, []string{"credential", "outcome"})
	m := &metrics{keysSeen: f.NewGauge(prometheus.GaugeOpts{
		Name: "activity_auth_keys_read_timestamp_seconds",
		Help: "Unix time when the topic of API keys was last read to its end; a key revoked later is still accepted. 0 without AUTH=keys.",
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
