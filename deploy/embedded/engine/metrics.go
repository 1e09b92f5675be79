package engine

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	queries  *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	refused  prometheus.Counter
	inFlight prometheus.Gauge
	rows     prometheus.Counter
	bytes    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		queries: f.NewCounterVec(prometheus.CounterOpts{
			Name: "activity_engine_statements_total", Help: "Statements by kind and class of HTTP status.",
		}, []string{"kind", "status"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "activity_engine_statement_seconds", Help: "Duration of statements by kind, including the wait for a connection.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30},
		}, []string{"kind"}),
		refused: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_engine_refused_total", Help: "Statements that were refused because no connection became free in time.",
		}),
		inFlight: f.NewGauge(prometheus.GaugeOpts{
			Name: "activity_engine_in_flight", Help: "Requests that are being served.",
		}),
		rows: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_engine_written_rows_total", Help: "Rows that statements wrote.",
		}),
		bytes: f.NewCounter(prometheus.CounterOpts{
			Name: "activity_engine_body_bytes_total", Help: "Bytes of INSERT bodies, decompressed.",
		}),
	}
}
