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

// TestOnlyChangesAreLogged sets the states of a dependency in an outage that turns into a fault of a setting.
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

// TestOneFailingUserDoesNotFlap: a success of another partition, or of the same partition for another purpose, does not end a failure.
func TestOneFailingUserDoesNotFlap(t *testing.T) {
	away := errors.New("leader not available")
	fetch := func(partition int) User { return User{Dependency: Kafka, Partition: partition, Purpose: "fetch"} }
	for name, tc := range map[string]struct {
		others  []User
		recover func(h *Health)
	}{
		"other partitions": {[]User{fetch(0), fetch(2)}, func(h *Health) { h.SetFor(fetch(1), nil) }},
		"another purpose":  {[]User{{Dependency: Kafka, Partition: 1, Purpose: "commit"}}, func(h *Health) { h.SetFor(fetch(1), nil) }},
		"assigned again":   {[]User{fetch(0)}, func(h *Health) { h.Keep([]int{0, 1}); h.Reached(1) }},
		"assigned away":    {[]User{fetch(0)}, func(h *Health) { h.Keep([]int{0}) }},
		"without partition": {[]User{Alone(Kafka), {Dependency: ClickHouse, Partition: 1, Purpose: "fetch"}}, func(h *Health) {
			h.SetFor(fetch(1), nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var text bytes.Buffer
			h := New(slog.New(slog.NewTextHandler(&text, nil)), prometheus.NewCounterVec(prometheus.CounterOpts{Name: "x"}, []string{"kind"}))
			h.Set(KafkaGroup, nil)
			text.Reset()
			for range 5 {
				h.SetFor(fetch(1), away)
				for _, u := range tc.others {
					h.SetFor(u, nil)
				}
				if err := h.Err(); !errors.Is(err, away) || err.Error() != "kafka: partition 1: leader not available" || h.Available(Kafka) {
					t.Fatalf("while it fails: got %v", err)
				}
			}
			tc.recover(h)
			if err := h.Err(); err != nil || !h.Available(Kafka) {
				t.Errorf("afterwards: got %v", err)
			}
			if got := strings.Count(text.String(), "\n"); got != 2 {
				t.Errorf("got %d lines, want one that it is away and one that it is back:\n%s", got, &text)
			}
		})
	}
}

// TestWhatSomebodyMustChangeIsTold: a temporary fault does not hide a fault that somebody must correct.
func TestWhatSomebodyMustChangeIsTold(t *testing.T) {
	alarms := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "x"}, []string{"kind"})
	h := New(slog.New(slog.DiscardHandler), alarms)
	h.Set(KafkaGroup, nil)
	for range 3 {
		h.SetFor(User{ClickHouse, 0, "insert"}, errors.New("connection reset"))
		h.SetFor(User{ClickHouse, 3, "insert"}, &sink.Fault{Code: 60, Message: "no table"})
	}
	if err := h.Err(); err == nil || !strings.Contains(err.Error(), "partition 3") {
		t.Errorf("got %v, want the fault of partition 3", err)
	}
	var m dto.Metric
	if err := alarms.WithLabelValues("config").Write(&m); err != nil || m.GetCounter().GetValue() != 1 {
		t.Errorf("got %v alarms, %v, want 1", m.GetCounter().GetValue(), err)
	}
}
