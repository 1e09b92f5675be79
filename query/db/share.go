package db

import (
	"context"

	"golang.org/x/sync/singleflight"
)

// Share runs ask once for all callers that ask for key at the same time, within the time of one query. It continues when the first caller
// leaves, because others may wait for it.
func Share[T any](ctx context.Context, d *DB, calls *singleflight.Group, key string, ask func(context.Context) (T, error)) (T, error) {
	answer := calls.DoChan(key, func() (any, error) {
		ctx, cancel := d.WithTimeout(context.WithoutCancel(ctx))
		defer cancel()
		return ask(ctx)
	})
	var none T
	select {
	case <-ctx.Done():
		return none, Fault(ctx, ctx.Err())
	case a := <-answer:
		if a.Err != nil {
			return none, a.Err
		}
		return a.Val.(T), nil
	}
}
