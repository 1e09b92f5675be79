// Package query reads what has been stored, and erases it. It promises: no request sees, counts or erases an entry of
// another tenant, unless it is of the administrator of all, who reads and never erases; a page begun with a cursor goes on where the page before it ended, whatever is written meanwhile; a caller
// that waits for the position of its write sees that write; an erasure that was answered is complete for every entry
// acknowledged before it was asked for, and nothing later is touched. While Kafka is away lists and counts go on.
package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/singleflight"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Config says how a Store works.
type Config struct {
	Topic           string        // the entries' topic
	WaitMax         time.Duration // the longest that a request waits for a position, or for its erasure
	QueryTimeout    time.Duration // of one query
	MaxMemory       int64         // bytes that one query may take in the engine
	RetentionDays   int           // an entry received on day D is visible through day D + RetentionDays, UTC
	CursorSecret    string        // signs cursors; empty: made once and shared through the database
	CursorMaxAge    time.Duration // an older cursor is refused
	PatchInterval   time.Duration // the least time between two merges of what deletes left
	CleanupInterval time.Duration // between two looks for expired entries
	Webhook         Webhook       // told of cleanups
	Exports         int           // exports that may run at once
	Tails           int           // tails that may follow at once
}

// Defaults are what a Store does when it is told nothing.
func Defaults() Config {
	return Config{
		Topic: "activity", WaitMax: 5 * time.Second, QueryTimeout: 10 * time.Second, MaxMemory: 1 << 30,
		RetentionDays: 45, CursorMaxAge: 24 * time.Hour, PatchInterval: time.Minute, CleanupInterval: 10 * time.Minute, Exports: 2, Tails: 100,
	}
}

// Validate says everything that is wrong with c.
func (c Config) Validate() error {
	var all []error
	for _, v := range [...]struct {
		ok   bool
		what string
	}{
		{c.Topic != "", "topic is required"},
		{c.WaitMax > 0, "the longest wait must be above 0"},
		{c.QueryTimeout > 0, "the query timeout must be above 0"},
		{c.MaxMemory >= 16<<20, "a query needs 16 MiB of memory or more"},
		{c.RetentionDays >= 1 && c.RetentionDays <= MaxRetentionDays, fmt.Sprintf("the retention must be 1 to %d days", MaxRetentionDays)},
		{c.CursorMaxAge > 0, "the age of cursors must be above 0"},
		{c.PatchInterval > 0, "the patch interval must be above 0"},
		{c.CleanupInterval > 0, "the cleanup interval must be above 0"},
		{c.Exports > 0, "the number of exports must be above 0"},
		{c.Tails > 0, "the number of tails must be above 0"},
		{c.CursorSecret == "" || len(c.CursorSecret) >= 16, "the cursor secret must have 16 bytes or more"},
	} {
		if !v.ok {
			all = append(all, errors.New(v.what))
		}
	}
	return errors.Join(append(all, c.Webhook.validate())...)
}

// Store answers lists, counts and erasures. It may be used by many goroutines at once.
type Store struct {
	cfg     Config
	conn    driver.Conn
	kafka   *kafka.Client
	log     *slog.Logger
	metrics *metrics
	stored  *watcher
	secrets secrets
	lately  recent[[]hour]
	marks   recent[key]
	actions *actions

	id       uuid.UUID // of this process among those that clean up
	now      func() time.Time
	keepings *keepings
	hook     *hook

	exports     chan struct{} // holds a token for each export that runs
	exportPages exportPages
	feed        *feed
	tailing     singleflight.Group // queries of tails
}

// New makes a Store over ClickHouse and Kafka, neither of which need be there yet. Waits work while Run does.
func New(cfg Config, conn driver.Conn, client *kafka.Client, log *slog.Logger, reg prometheus.Registerer) *Store {
	m, names := newMetrics(reg), newActions(schemakafka.Actions(cfg.Topic), client)
	m.countActions(reg, names.known)
	return &Store{
		cfg: cfg, conn: conn, kafka: client, log: log, metrics: m, stored: newWatcher(cfg.Topic, client, m), actions: names,
		lately:  recent[[]hour]{lifetime: time.Second, most: 1000},
		marks:   recent[key]{lifetime: time.Minute, most: 10_000},
		exports: make(chan struct{}, cfg.Exports), exportPages: exportDefaults, feed: newFeed(),
		id: uuid.New(), now: time.Now, keepings: newKeepings(), hook: newHook(cfg.Webhook, log, m),
	}
}

// Run follows the stored positions while somebody waits for one, merges in what deletes left, cleans up what has expired, and
// tells the webhook of it. It returns nil when ctx ends.
func (s *Store) Run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { s.stored.run(ctx) })
	all.Go(func() { s.patch(ctx) })
	all.Go(func() { s.makeReady(ctx) })
	all.Go(func() { s.follow(ctx) })
	all.Go(func() { s.expire(ctx) })
	all.Go(func() { s.hook.run(ctx) })
	all.Wait()
	return nil
}

// makeReady has at hand what the first page may need: the key of cursors, which takes a second where it has to be made, and the
// codes of actions, so that they work when Kafka goes away.
func (s *Store) makeReady(ctx context.Context) {
	retry := time.NewTicker(settle)
	defer retry.Stop()
	for {
		_, err := s.sealer(ctx)
		if err == nil {
			err = s.actions.exclusively(ctx, s.cfg.WaitMax, s.actions.readOn)
		}
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
		}
	}
}

// Ready is nil when reads can be answered, or says that ClickHouse is away.
func (s *Store) Ready(ctx context.Context) error {
	var tables uint64
	const found = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name IN ('activity', 'by_kind', 'by_entity')"
	if err := s.conn.QueryRow(ctx, found).Scan(&tables); err != nil {
		return fault(ctx, fmt.Errorf("clickhouse: %w", err))
	}
	if tables < 3 {
		return fmt.Errorf("%w: clickhouse: the tables have not been made yet", schema.ErrUnavailable)
	}
	_, err := s.sealer(ctx)
	return err
}

// query runs q for tenant under the limits of a reader. The query ends with ctx, in the engine too.
func (s *Store) query(ctx context.Context, tenant string, q statement) (driver.Rows, error) {
	if tenant == "" {
		return nil, fmt.Errorf("%w: a query needs a tenant", schema.ErrUnauthenticated)
	}
	settings := s.limits()
	settings["additional_table_filters"] = wallOf(tenant)
	return s.run(ctx, q, settings)
}

// limits are the settings of every query.
func (s *Store) limits() clickhouse.Settings {
	return clickhouse.Settings{
		"readonly":           1,
		"max_execution_time": s.cfg.QueryTimeout.Seconds(),
		"max_memory_usage":   s.cfg.MaxMemory,
		// Planning would load the statistics of every part: 57 of 73 ms of a small query over 20 parts.
		"use_statistics": 0,
		// ORDER BY … DESC LIMIT on DateTime64 sometimes fails with code 407 in its filter.
		"use_top_k_dynamic_filtering": 0,
		// Wide columns are read for the rows of the page alone.
		"query_plan_max_limit_for_lazy_materialization": MaxLimit + 1,
		// The word search is an OR with the request id, and both sides have an index.
		"use_skip_indexes_for_disjunctions": 1,
	}
}

func (s *Store) run(ctx context.Context, q statement, settings clickhouse.Settings) (driver.Rows, error) {
	rows, err := s.conn.Query(clickhouse.Context(ctx, clickhouse.WithSettings(settings)), q.text, q.args...)
	if err != nil {
		return nil, fault(ctx, err)
	}
	return rows, nil
}

// one runs a query of one row and reads it into dest; ErrNotFound when there is no row.
func (s *Store) one(ctx context.Context, tenant string, q statement, dest ...any) error {
	rows, err := s.query(ctx, tenant, q)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return fault(ctx, err)
		}
		return schema.ErrNotFound
	}
	if err := rows.Scan(dest...); err != nil {
		return fmt.Errorf("read a row: %w", err)
	}
	return fault(ctx, rows.Err())
}

// kinds of ClickHouse's exceptions, by code. The engine's own admission limit is 202.
var kinds = map[int32]error{
	159: schema.ErrTimeout, 160: schema.ErrTimeout, 394: schema.ErrTimeout,
	60: schema.ErrUnavailable, 81: schema.ErrUnavailable, // not migrated yet
	202: schema.ErrUnavailable, 203: schema.ErrUnavailable, 209: schema.ErrUnavailable, 210: schema.ErrUnavailable,
	241: schema.ErrUnavailable, 242: schema.ErrUnavailable, 243: schema.ErrUnavailable, 279: schema.ErrUnavailable,
	516: schema.ErrUnavailable, // credentials: ours, not the caller's
}

// fault gives an error of ClickHouse its kind. What is no exception of the server is a connection that does not work.
func fault(ctx context.Context, err error) error {
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
