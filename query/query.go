// Package query reads what has been stored. It promises: no request sees or counts an entry of another tenant, unless it is of
// the administrator of all tenants; a page that is asked for with a cursor begins where the page before it ended, whatever is
// written meanwhile; a caller that waits for the position of its write sees that write; and a read without a position shows what was
// acknowledged before it, unless the consumer is far behind. While Kafka is unavailable lists and counts go on.
package query

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/internal/recent"
	"github.com/activitylog/activitylog/query/internal/requests"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/query/visible"
	"github.com/activitylog/activitylog/schema"
)

// Config says how a Reader works.
type Config struct {
	CursorSecret string        // signs cursors; empty: made once and shared through the database
	CursorMaxAge time.Duration // an older cursor is refused
	Exports      int           // exports that may run at once
	Tails        int           // tails that may follow at once
}

// Defaults returns the values of a Config that names none.
func Defaults() Config { return Config{CursorMaxAge: 24 * time.Hour, Exports: 2, Tails: 100} }

// Validate returns everything that is wrong with c.
func (c Config) Validate() error {
	var all []error
	for _, v := range [...]struct {
		ok   bool
		what string
	}{
		{c.CursorMaxAge > 0, "the age of cursors must be above 0"},
		{c.Exports > 0, "the number of exports must be above 0"},
		{c.Tails > 0, "the number of tails must be above 0"},
		{c.CursorSecret == "" || len(c.CursorSecret) >= 16, "the cursor secret must have 16 bytes or more"},
	} {
		if !v.ok {
			all = append(all, errors.New(v.what))
		}
	}
	return errors.Join(all...)
}

// Reader answers lists, counts, statistics, exports and tails. It may be used by many goroutines at once.
type Reader struct {
	db       *db.DB
	stored   *stored.Progress
	visible  *visible.Lookup
	requests *requests.Metrics
	hours    *hourIndex
	hints    *pageHints
	cursors  *cursorKey
	exports  *exports
	tails    *tails
	statuses *recent.Cache[Status]
}

// New makes a Reader. Await works while stored runs.
func New(cfg Config, d *db.DB, s *stored.Progress, v *visible.Lookup, reg prometheus.Registerer) *Reader {
	return &Reader{
		db: d, stored: s, visible: v, requests: requests.New(reg), hours: newHourIndex(d), hints: newPageHints(),
		cursors: newCursorKey(cfg, d), exports: newExports(cfg.Exports, reg), tails: newTails(cfg.Tails, reg),
		statuses: recent.New[Status](time.Second, 1000),
	}
}

// keyRetry is the pause between two tries to read or create the key of cursors.
const keyRetry = time.Second

// Run reads or creates the key of cursors before the first page needs it: creating one takes a second. It tries until that is done or ctx
// ends.
func (r *Reader) Run(ctx context.Context) {
	ready := func() (sealer, error) { return r.cursors.sealer(ctx) }
	_, _ = backoff.Retry(ctx, ready, backoff.WithBackOff(backoff.NewConstantBackOff(keyRetry)), backoff.WithMaxElapsedTime(0))
}

// Ready returns nil if reads can be answered, otherwise an error that ClickHouse is unavailable.
func (r *Reader) Ready(ctx context.Context) error {
	if err := r.db.Ready(ctx); err != nil {
		return err
	}
	_, err := r.cursors.sealer(ctx)
	return err
}

// Await returns when everything up to p has been stored, its own offsets included, and can be read. Its error is ErrTimeout, or
// ErrUnavailable when Kafka could not say what has been stored. Without a position it has no error, and returns when everything that
// was acknowledged before the call can be read, unless that takes long: see stored.Progress.CatchUp.
func (r *Reader) Await(ctx context.Context, p schema.Position) error {
	if len(p) == 0 {
		r.stored.CatchUp(ctx)
		return nil
	}
	if err := r.stored.Await(ctx, p); err != nil {
		return err
	}
	r.Forget() // the caller must not see hours that were looked up before its write
	return nil
}

// Forget drops the remembered hours, because entries were stored or erased.
func (r *Reader) Forget() { r.hours.forget() }
