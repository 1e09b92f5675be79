// Package backend assembles the packages of query for the services that serve the dialects: one package for each task, and one Run
// for all of them.
package backend

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/actions"
	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/erase"
	"github.com/activitylog/activitylog/query/retain"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/query/visible"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Config is the configuration of all packages of query.
type Config struct {
	DB      db.Config
	Stored  stored.Config
	Visible visible.Config
	Query   query.Config
	Retain  retain.Config
}

// Defaults returns the default values.
func Defaults() Config {
	return Config{DB: db.Defaults(), Stored: stored.Defaults(), Visible: visible.Defaults(), Query: query.Defaults(), Retain: retain.Defaults()}
}

// Validate returns everything that is wrong with c.
func (c Config) Validate() error {
	return errors.Join(c.Stored.Validate(), c.DB.Validate(), c.Visible.Validate(), c.Query.Validate(), c.Retain.Validate())
}

// Backend is all packages of query as one store. It may be used by many goroutines at once.
type Backend struct {
	*query.Reader
	*erase.Eraser
	*retain.Keeper
	Actions *actions.Codes

	stored *stored.Progress
}

// New makes a Backend over ClickHouse and Kafka, neither of which need be reachable yet. Waits work while Run runs.
func New(cfg Config, conn driver.Conn, client *kafka.Client, log *slog.Logger, reg prometheus.Registerer) *Backend {
	d := db.New(cfg.DB, conn)
	s := stored.New(cfg.Stored, d, client, log, reg)
	v := visible.New(cfg.Visible, d)
	reader := query.New(cfg.Query, d, s, v, reg)
	eraser := erase.New(erase.Layers{DB: d, Stored: s, Visible: v, Reader: reader}, client, reg)
	return &Backend{
		Reader: reader, Eraser: eraser, stored: s,
		Keeper:  retain.New(cfg.Retain, retain.Layers{DB: d, Visible: v, Reader: reader, Eraser: eraser}, log, reg),
		Actions: actions.New(schemakafka.Actions(cfg.Stored.Topic), cfg.Stored.WaitMax, s, client, reg),
	}
}

// Run runs the background work of all packages. It returns nil when ctx ends.
func (b *Backend) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, run := range []func(context.Context){b.stored.Run, b.Reader.Run, b.Actions.Run, b.Keeper.Run} {
		all.Go(func() { run(ctx) })
	}
	all.Wait()
	return nil
}
