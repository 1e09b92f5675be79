// Package health remembers which of a consumer's dependencies are unavailable.
package health

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/ingest/consumer/internal/sink"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Dependency is something that a consumer needs, with the log messages about it.
type Dependency struct {
	Name      string
	waiting   string // it is unavailable
	available string // it is available again
	refuses   string // it answers, but refuses requests; somebody must change a setting
}

// The dependencies of a consumer.
var (
	KafkaGroup = Dependency{"kafka group", "waiting for kafka group", "kafka group joined", "kafka group refuses requests"}
	Kafka      = Dependency{"kafka", "waiting for kafka", "kafka reachable again", "kafka refuses requests"}
	ClickHouse = Dependency{"clickhouse", "waiting for clickhouse", "clickhouse reachable again", "clickhouse refuses requests"}
	// Log is unavailable while it is not known to be the log that the tables belong to.
	Log = Dependency{"log", "waiting for kafka log", "kafka log accepted", "kafka log refused"}
	// Retention is unavailable when Kafka is about to remove records before they are stored.
	Retention = Dependency{"retention", "records near the end of retention", "records stored well within retention", ""}
)

// ErrStopped makes a dependency unavailable because the consumer has ended. It is not logged.
var ErrStopped = errors.New("stopped")

// Health is safe for concurrent use. It logs a change of state, and nothing while the state lasts.
type Health struct {
	log    *slog.Logger
	alarms *prometheus.CounterVec // by kind

	mu     sync.Mutex
	faults map[User]error   // of requests that fail
	logged map[string]error // by name of a dependency: the error that was logged; none while it is available
}

// User identifies a use of a dependency: by which partition, for which purpose. A dependency is unavailable while one of its users fails,
// even if others succeed: one of many leaders may be unavailable.
type User struct {
	Dependency
	Partition int    // -1: none
	Purpose   string // empty: any
}

// New makes a Health whose Kafka group has not been joined yet. A setting that somebody must change counts as an alarm of the
// kind config, a log that is refused as one of the kind log.
func New(log *slog.Logger, alarms *prometheus.CounterVec) *Health {
	joining := errors.New("not joined yet")
	return &Health{
		log: log, alarms: alarms,
		faults: map[User]error{Alone(KafkaGroup): joining}, logged: map[string]error{KafkaGroup.Name: joining},
	}
}

// Alone identifies the only user of a dependency.
func Alone(d Dependency) User { return User{Dependency: d, Partition: -1} }

// Set notes that a dependency is unavailable because of err, or available if err is nil.
func (h *Health) Set(d Dependency, err error) { h.SetFor(Alone(d), err) }

// SetFor is Set for one of a dependency's users.
func (h *Health) SetFor(u User, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil && h.faults[u] == nil:
		return
	case err == nil:
		delete(h.faults, u)
	case u.Partition >= 0:
		h.faults[u] = fmt.Errorf("partition %d: %w", u.Partition, err)
	default:
		h.faults[u] = err
	}
	h.tell(u.Dependency, h.fault(u.Dependency))
}

// Reached notes that all requests of a partition succeeded.
func (h *Health) Reached(partition int) {
	h.forget(func(u User) bool { return u.Partition == partition })
}

// Keep forgets the faults of partitions that are not among those which are assigned now.
func (h *Health) Keep(assigned []int) {
	h.forget(func(u User) bool { return u.Partition >= 0 && !slices.Contains(assigned, u.Partition) })
}

func (h *Health) forget(which func(User) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for u := range h.faults {
		if which(u) {
			delete(h.faults, u)
			h.tell(u.Dependency, h.fault(u.Dependency))
		}
	}
}

// fault returns the error of one of d's users, of the same user while that one fails; nil if no user fails. An error that needs a change of
// configuration comes first.
func (h *Health) fault(d Dependency) error {
	var first *User
	order := func(a, b User) int {
		return cmp.Or(cmp.Compare(urgency(h.faults[a]), urgency(h.faults[b])), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Purpose, b.Purpose))
	}
	for u := range h.faults {
		if u.Dependency == d && (first == nil || order(u, *first) < 0) {
			first = &u
		}
	}
	if first == nil {
		return nil
	}
	return h.faults[*first]
}

// urgency returns a lower value for errors that do not end by themselves.
func urgency(err error) int {
	if sink.KindOf(err) == sink.KindConfig {
		return 0
	}
	return 1
}

// tell logs that the state of d has changed to err.
func (h *Health) tell(d Dependency, err error) {
	before := h.logged[d.Name]
	if h.logged[d.Name] = err; err == nil {
		delete(h.logged, d.Name)
	}
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

// Available reports whether d is available, as far as is known.
func (h *Health) Available(d Dependency) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fault(d) == nil
}

// Err returns nil while every dependency is available. Otherwise it names the unavailable ones with their errors, the log first: its errors do
// not end by themselves.
func (h *Health) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []error
	for _, d := range [...]Dependency{Log, KafkaGroup, Kafka, ClickHouse, Retention} {
		if err := h.fault(d); err != nil {
			all = append(all, fmt.Errorf("%s: %w", d.Name, err))
		}
	}
	return errors.Join(all...)
}
