package broker

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	logBytes  *prometheus.GaugeVec
	freeBytes prometheus.Gauge
	refusing  prometheus.Gauge
	trimmed   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		logBytes: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "activity_broker_log_bytes", Help: "Size on disk of the embedded broker's logs, by topic.",
		}, []string{"topic"}),
		freeBytes: f.NewGauge(prometheus.GaugeOpts{
			Name: "activity_broker_disk_free_bytes", Help: "Free bytes of the disk with the embedded broker's logs.",
		}),
		refusing: f.NewGauge(prometheus.GaugeOpts{
			Name: "activity_broker_refusing", Help: "1 while the embedded broker refuses records because its disk or its logs are full, else 0.",
		}),
		trimmed: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_broker_trimmed_bytes_total", Help: "Bytes of the embedded broker's logs that were dropped by age or size.",
		}),
	}
}
