package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// ErrTooMuch says that a result has more than Statement.MaxBytes.
var ErrTooMuch = errors.New("the result has too many bytes")

const tooManyBytes = 396 // TOO_MANY_ROWS_OR_BYTES

// Fault gives an error of ClickHouse its kind. An error that is not an exception of the server means that the connection does
// not work, which is ErrUnavailable.
func Fault(ctx context.Context, err error) error {
	var e *clickhouse.Exception
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", schema.ErrTimeout, err)
	case !errors.As(err, &e):
		return fmt.Errorf("%w: %w", schema.ErrUnavailable, err)
	case e.Code == tooManyBytes:
		return fmt.Errorf("%w: %w", ErrTooMuch, err)
	}
	switch tables.Code(e.Code).Kind() {
	case tables.CodeTimeout:
		return fmt.Errorf("%w: %w", schema.ErrTimeout, err)
	case tables.CodeMissing, tables.CodeCredentials, tables.CodeOverload: // credentials: the service's, not the caller's
		return fmt.Errorf("%w: %w", schema.ErrUnavailable, err)
	}
	return err
}

// Passing reports whether a query that failed with err may succeed in a moment: ClickHouse is unavailable or too busy.
func Passing(err error) bool {
	return errors.Is(err, schema.ErrUnavailable) || errors.Is(err, schema.ErrTimeout)
}
