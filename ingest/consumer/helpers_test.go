package consumer

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func counter(t *testing.T, c prometheus.Metric) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

func outcome(t *testing.T, c *Consumer, what string) float64 {
	t.Helper()
	return counter(t, c.metrics.entries.WithLabelValues(what))
}
