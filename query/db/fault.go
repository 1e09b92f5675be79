package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/schema"
)

// kinds of ClickHouse's exceptions, by code. The engine's own admission limit is 202.
var kinds = map[int32]error{
	159: schema.ErrTimeout, 160: schema.ErrTimeout, 394: schema.ErrTimeout,
	60: schema.ErrUnavailable, 81: schema.ErrUnavailable, // not migrated yet
	202: schema.ErrUnavailable, 203: schema.ErrUnavailable, 209: schema.ErrUnavailable, 210: schema.ErrUnavailable,
	241: schema.ErrUnavailable, 242: schema.ErrUnavailable, 243: schema.ErrUnavailable, 279: schema.ErrUnavailable,
	516: schema.ErrUnavailable, // credentials: ours, not the caller's
}

// Fault gives an error of ClickHouse its kind. An error that is no exception of the server means that the connection does
// not work, which is ErrUnavailable.
func Fault(ctx context.Context, err error) error {
	var e *clickhouse.Exception
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", schema.ErrTimeout, err)
	case !errors.As(err, &e):
		return fmt.Errorf("%w: %w", schema.ErrUnavailable, err)
	}
	if kind, ok := kinds[e.Code]; ok {
		return fmt.Errorf("%w: %w", kind, err)
	}
	return err
}

// Passing reports whether a query that failed with err may succeed in a moment: ClickHouse is unavailable or too busy.
func Passing(err error) bool {
	return errors.Is(err, schema.ErrUnavailable) || errors.Is(err, schema.ErrTimeout)
}
