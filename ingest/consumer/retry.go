package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/activitylog/activitylog/ingest/consumer/internal/health"
	"github.com/activitylog/activitylog/ingest/consumer/internal/sink"
)

// requestTimeout bounds one try of a request to Kafka.
const requestTimeout = 10 * time.Second

// reachKafka repeats f, which calls Kafka, until it succeeds, the group refuses this member, or ctx ends. The error names the failed
// action.
func (c *Consumer) reachKafka(ctx context.Context, what string, f func(context.Context) error) error {
	return c.reachKafkaFor(ctx, health.User{Dependency: health.Kafka, Partition: -1, Purpose: what}, f)
}

func (p *partition) reachKafka(ctx context.Context, what string, f func(context.Context) error) error {
	return p.reachKafkaFor(ctx, health.User{Dependency: health.Kafka, Partition: p.number, Purpose: what}, f)
}

func (c *Consumer) reachKafkaFor(ctx context.Context, u health.User, f func(context.Context) error) error {
	return retry(ctx, u.Purpose, func() error {
		err := attempt(ctx, requestTimeout, f)
		switch {
		case err == nil:
			c.health.SetFor(u, nil)
		case errors.Is(err, errFenced):
			return backoff.Permanent(err)
		case ctx.Err() == nil:
			c.health.SetFor(u, fmt.Errorf("%s: %w", u.Purpose, err))
		}
		return err
	})
}

// reachClickHouse repeats f, which calls ClickHouse, until it succeeds, ClickHouse refuses its rows as data, the tables turn out to have
// changed, or ctx ends.
func (p *partition) reachClickHouse(ctx context.Context, what string, f func(context.Context) error) error {
	u := health.User{Dependency: health.ClickHouse, Partition: p.number, Purpose: what}
	return retry(ctx, what, func() error {
		err := attempt(ctx, p.cfg.InsertTimeout, f)
		switch kind := sink.KindOf(err); {
		case kind == sink.KindNone:
			p.health.SetFor(u, nil)
		case kind == sink.KindData:
			p.health.SetFor(u, nil)
			return backoff.Permanent(err)
		case errors.Is(err, errTables):
			return backoff.Permanent(err)
		case ctx.Err() == nil:
			p.health.SetFor(u, fmt.Errorf("%s: %w", what, withRemedy(err)))
		}
		return err
	})
}

func withRemedy(err error) error {
	if sink.Missing(err) {
		return fmt.Errorf("the tables are missing, run activityctl migrate: %w", err)
	}
	return err
}

func attempt(ctx context.Context, timeout time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return f(ctx)
}

// retry tries f until it succeeds, its error is permanent, or ctx ends.
func retry(ctx context.Context, what string, f func() error) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, f() },
		backoff.WithBackOff(newBackOff()), backoff.WithMaxElapsedTime(0))
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	return err
}

// newBackOff waits longer each time: 50 ms to 2 s, and up to half of that more, so that many do not come at once.
func newBackOff() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: 62500 * time.Microsecond, MaxInterval: 2500 * time.Millisecond, Multiplier: 2, RandomizationFactor: 0.2,
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
