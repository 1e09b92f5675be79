package engine

import (
	"net/http"
	"strings"
	"testing"
)

func TestMetrics(t *testing.T) {
	c := start(t)
	before := gather(t)
	c.want(http.StatusOK, table, nil)
	c.want(http.StatusOK, "INSERT INTO t (id, text) FORMAT Native", native(t, 0, 10))
	c.want(http.StatusOK, "SELECT count() FROM t", nil)
	c.do(http.MethodPost, "SELECT nope FROM t", nil)
	after := gather(t)
	for name, want := range map[string]float64{
		`activity_engine_statements_total{insert,2xx}`: 1, `activity_engine_statements_total{read,2xx}`: 1, `activity_engine_statements_total{read,4xx}`: 1,
		`activity_engine_statements_total{write,2xx}`: 1, `activity_engine_written_rows_total{}`: 10, `activity_engine_refused_total{}`: 0,
	} {
		if got := after[name] - before[name]; got != want {
			t.Errorf("%s grew by %v, want %v", name, got, want)
		}
	}
}

// gather returns the engine's counters by name and labels.
func gather(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			values[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = m.GetCounter().GetValue()
		}
	}
	return values
}
