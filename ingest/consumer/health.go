package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/ingest/consumer/internal/sink"
)

// What a consumer depends on.
const (
	dependencyGroup      = "Kafka group"
	dependencyKafka      = "Kafka"
	dependencyClickHouse = "ClickHouse"
)

// health remembers what is away. A change is logged, what stays as it is is not.
type health struct {
	log    *slog.Logger
	alarms *prometheus.CounterVec

	mu   sync.Mutex
	away map[string]error
}

func newHealth(log *slog.Logger, alarms *prometheus.CounterVec) *health {
	return &health{log: log, alarms: alarms, away: map[string]error{dependencyGroup: errors.New("not joined yet")}}
}

// set says that a dependency is away, or back with nil.
func (h *health) set(dependency string, err error) {
	h.mu.Lock()
	before := h.away[dependency]
	if err == nil {
		delete(h.away, dependency)
	} else {
		h.away[dependency] = err
	}
	h.mu.Unlock()
	who := slog.String("dependency", dependency)
	switch {
	case err == nil && before != nil:
		h.log.Info("back", who)
	case err == nil || before != nil && sink.KindOf(before) == sink.KindOf(err) || errors.Is(err, errStopped):
	case sink.KindOf(err) == sink.KindConfig:
		h.alarms.WithLabelValues("config").Inc()
		h.log.Error("refuses; waiting until it is mended", who, slog.Any("error", err))
	default:
		h.log.Warn("away; waiting", who, slog.Any("error", err))
	}
}

// err is nil while nothing is away.
func (h *health) err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []error
	for name, err := range h.away {
		all = append(all, fmt.Errorf("%s: %w", name, err))
	}
	return errors.Join(all...)
}

// alarm counts and logs what somebody should look at.
func (p *partition) alarm(kind, what string, attrs ...any) {
	p.metrics.alarms.WithLabelValues(kind).Inc()
	p.log.Error("alarm", append([]any{slog.String("kind", kind), slog.String("what", what)}, attrs...)...)
}

// reach repeats what asks Kafka until it succeeds, this member is fenced off, or ctx ends.
func (c *Consumer) reach(ctx context.Context, what string, f func(context.Context) error) error {
	var retry backoff
	for {
		err := attempt(ctx, 10*time.Second, f)
		if err == nil {
			c.health.set(dependencyKafka, nil)
			return nil
		}
		if errors.Is(err, errFenced) {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
		c.health.set(dependencyKafka, fmt.Errorf("%s: %w", what, err))
		retry.wait(ctx)
	}
}

// persist repeats what asks ClickHouse until it succeeds, its rows are refused, or ctx ends.
func (c *Consumer) persist(ctx context.Context, what string, f func(context.Context) error) error {
	var retry backoff
	for {
		err := attempt(ctx, c.cfg.InsertTimeout, f)
		kind := sink.KindOf(err)
		if kind == sink.KindNone || kind == sink.KindData {
			c.health.set(dependencyClickHouse, nil)
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
		if sink.Missing(err) {
			err = fmt.Errorf("the tables are missing, run activityctl migrate: %w", err)
		}
		c.health.set(dependencyClickHouse, fmt.Errorf("%s: %w", what, err))
		retry.wait(ctx)
	}
}

func attempt(ctx context.Context, timeout time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return f(ctx)
}

// backoff waits longer each time: 50 ms to 2 s, and up to half of that more, so that many do not come at once.
type backoff struct{ tries int }

func (b *backoff) wait(ctx context.Context) {
	d := min(2*time.Second, 50*time.Millisecond<<min(b.tries, 10))
	b.tries++
	pause(ctx, d+rand.N(d/2))
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// pool bounds how many batches are in memory in their final form, and keeps that memory.
type pool struct{ free chan *assembly }

func newPool(n int) *pool {
	p := &pool{free: make(chan *assembly, n)}
	for range n {
		p.free <- &assembly{}
	}
	return p
}

func (p *pool) get(ctx context.Context) (*assembly, error) {
	select {
	case a := <-p.free:
		return a, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// idle is one that nobody waits for, or nil.
func (p *pool) idle() *assembly {
	select {
	case a := <-p.free:
		return a
	default:
		return nil
	}
}

func (p *pool) put(a *assembly) { p.free <- a }
