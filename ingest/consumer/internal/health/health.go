// Package health remembers which of a consumer's dependencies are unavailable.
package health

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/ingest/consumer/internal/sink"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Dependency is something that a consumer needs, with the messages that the log has of it.
type Dependency struct {
	Name      string
	waiting   string // it is unavailable
	available string // it is available again
	refuses   string // it answers, but refuses; somebody must change a setting
}

// The dependencies of a consumer.
var (
	KafkaGroup = Dependency{"kafka group", "waiting for kafka group", "kafka group joined", "kafka group refuses requests"}
	Kafka      = Dependency{"kafka", "waiting for kafka", "kafka reachable again", "kafka refuses requests"}
	ClickHouse = Dependency{"clickhouse", "waiting for clickhouse", "clickhouse reachable again", "clickhouse refuses requests"}
	// Log is unavailable while it is not known to be the log that the tables belong to.
	Log = Dependency{"log", "waiting for the log", "log accepted", "log refused"}
	// Retention is unavailable when Kafka is about to remove records before they are stored.
	Retention = Dependency{"retention", "records near the end of retention", "records stored well within retention", ""}
)

// ErrStopped makes a dependency unavailable because the consumer has ended. It is not logged.
var ErrStopped = errors.New("stopped")

// Health is safe for concurrent use. It logs a change of state, and nothing while the state lasts.
type Health struct {
	log    *slog.Logger
	alarms *prometheus.CounterVec // by kind

	mu          sync.Mutex
	unavailable map[string]error // by name
}

// New makes a Health whose Kafka group has not been joined yet. A setting that somebody must change counts as an alarm of the
// kind config, a log that is refused as one of the kind log.
func New(log *slog.Logger, alarms *prometheus.CounterVec) *Health {
	return &Health{log: log, alarms: alarms, unavailable: map[string]error{KafkaGroup.Name: errors.New("not joined yet")}}
}

// Set notes that a dependency is unavailable because of err, or available if err is nil.
func (h *Health) Set(d Dependency, err error) {
	h.mu.Lock()
	before := h.unavailable[d.Name]
	if err == nil {
		delete(h.unavailable, d.Name)
	} else {
		h.unavailable[d.Name] = err
	}
	h.mu.Unlock()
	var refused *schemakafka.LogError
	switch {
	case errors.As(err, &refused) && refused.Refused:
		if before == nil || before.Error() != err.Error() {
			h.alarms.WithLabelValues("log").Inc()
			h.log.Error(d.refuses, "error", err) //nolint:sloglint // a literal of this file
		}
	case err == nil && before != nil:
		h.log.Info(d.available) //nolint:sloglint // a literal of this file
	case err == nil || before != nil && sink.KindOf(before) == sink.KindOf(err) || errors.Is(err, ErrStopped):
	case sink.KindOf(err) == sink.KindConfig:
		h.alarms.WithLabelValues("config").Inc()
		h.log.Error(d.refuses, "error", err) //nolint:sloglint // as above
	default:
		h.log.Warn(d.waiting, "error", err) //nolint:sloglint // as above
	}
}

// Available says whether d is, as far as is known.
func (h *Health) Available(d Dependency) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unavailable[d.Name] == nil
}

// Err is nil while every dependency is available. Otherwise it names those that are not, each with its error.
func (h *Health) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []error
	for name, err := range h.unavailable {
		all = append(all, fmt.Errorf("%s: %w", name, err))
	}
	return errors.Join(all...)
}
