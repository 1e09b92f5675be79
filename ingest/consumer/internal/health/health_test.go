package health

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/activitylog/activitylog/ingest/consumer/internal/sink"
)

// TestOnlyChangesAreLogged sets what a dependency goes through in an outage that turns into a fault of a setting.
func TestOnlyChangesAreLogged(t *testing.T) {
	var text bytes.Buffer
	alarms := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "x"}, []string{"kind"})
	h := New(slog.New(slog.NewTextHandler(&text, nil)), alarms)
	reset, refused := errors.New("connection reset"), &sink.Fault{Code: 60, Message: "no table"}
	for _, err := range []error{nil, nil, reset, reset, refused, refused, nil, nil} {
		h.Set(ClickHouse, err)
	}
	h.Set(KafkaGroup, ErrStopped)
	var got []string
	for line := range strings.Lines(text.String()) {
		_, rest, _ := strings.Cut(line, "level=")
		got = append(got, strings.TrimSpace(rest))
	}
	want := []string{
		`WARN msg="waiting for clickhouse" error="connection reset"`,
		`ERROR msg="clickhouse refuses requests" error="ClickHouse code 60 UNKNOWN_TABLE, HTTP 0: no table"`,
		`INFO msg="clickhouse reachable again"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	var m dto.Metric
	if err := alarms.WithLabelValues("config").Write(&m); err != nil || m.GetCounter().GetValue() != 1 {
		t.Errorf("got %v alarms, %v, want 1", m.GetCounter().GetValue(), err)
	}
}

func TestErrNamesWhatIsUnavailable(t *testing.T) {
	h := New(slog.New(slog.DiscardHandler), prometheus.NewCounterVec(prometheus.CounterOpts{Name: "x"}, []string{"kind"}))
	if err := h.Err(); err == nil || err.Error() != "kafka group: not joined yet" {
		t.Errorf("at first: got %v", err)
	}
	h.Set(KafkaGroup, nil)
	if err := h.Err(); err != nil {
		t.Errorf("once the group is joined: got %v", err)
	}
	away := errors.New("connection reset")
	h.Set(ClickHouse, away)
	if err := h.Err(); !errors.Is(err, away) || err.Error() != "clickhouse: connection reset" {
		t.Errorf("without ClickHouse: got %v", err)
	}
}
