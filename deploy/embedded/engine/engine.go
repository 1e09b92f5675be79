// Package engine runs ClickHouse inside this process, behind ClickHouse's own HTTP interface.
//
// It promises to clients what a ClickHouse server promises: after an INSERT was answered 200 its rows are stored (and synced, if the
// table says so); the rows of one INSERT become one part; an INSERT with a repeated insert_deduplication_token stores nothing;
// errors have ClickHouse's codes. Unlike a server, it takes one statement a request, has no sessions, does not reach files or other
// hosts, and has two users: "default", which services have, and "reader", which may read what it was granted.
//
// A process has one engine, and a data folder belongs to one process.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// drainTime is how long running requests may continue after Run's context has ended; then they are cancelled.
const drainTime = 10 * time.Second

// Config says where the engine listens and stores its data. Addr, DataDir and Password are required.
type Config struct {
	Addr        string        // host:port; port 0 takes a free one
	Spare       string        // host:port to listen on if Addr is taken; Open fails then if this is empty
	DataDir     string        // created if it is missing, with mode 0700
	Password    string        // of the user "default"
	Reader      Reader        // the user "reader"
	LibPath     string        // libchdb.so; LibPath() if empty
	Connections int           // reads of tables that may run at a time, 3 if 0; inserts and small reads have connections of their own
	QueueWait   time.Duration // how long a statement may wait for a connection, 5 s if 0; then it is refused with 503
	MaxMemory   uint64        // bytes for the whole engine, half of the machine's memory if 0; one query may use half of it
	Reserve     int64         // bytes; inserts and merges are refused (code 243) while the disk has less free; if 0, 5 % of the disk, at most 2 GB
	Log         *slog.Logger
	Registerer  prometheus.Registerer
}

// Engine is a running ClickHouse. Run serves it; Close ends an engine that does not run.
type Engine struct {
	conf     Config
	folder   *dataFolder
	pool     *pool
	listener net.Listener
	server   *http.Server
	log      *slog.Logger
	metrics  *metrics
	bodies   chan struct{} // holds a token for each INSERT whose data is in memory
	closing  sync.Once
}

// Open loads the library, opens the data folder and listens. The error is ErrLocked if another process holds the folder,
// folder.ErrCopied if the folder is a copy of one in use, and ErrLibrary if the library is missing.
func Open(ctx context.Context, c Config) (*Engine, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	f, err := openFolder(c)
	if err != nil {
		return nil, err
	}
	p, err := openPool(c, f)
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	l, err := c.listen(ctx)
	if err != nil {
		p.close()
		return nil, errors.Join(fmt.Errorf("engine: listen: %w", err), f.close())
	}
	e := &Engine{conf: c, folder: f, pool: p, listener: l, log: c.Log, metrics: newMetrics(c.Registerer), bodies: make(chan struct{}, bodiesInMemory)}
	e.server = &http.Server{
		Handler:           e.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    1 << 20, // clickhouse-go sends statements of inserts in the URL
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn),
	}
	return e, nil
}

func (c *Config) listen(ctx context.Context) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr)
	if errors.Is(err, syscall.EADDRINUSE) && c.Spare != "" {
		return (&net.ListenConfig{}).Listen(ctx, "tcp", c.Spare)
	}
	return l, err
}

func (c *Config) complete() error {
	var faults []error
	if c.DataDir == "" {
		faults = append(faults, errors.New("engine: no data folder"))
	}
	if c.Password == "" {
		faults = append(faults, errors.New("engine: no password"))
	}
	if c.Password != "" && c.Password == c.Reader.Password {
		faults = append(faults, errors.New("engine: the reader needs a password of its own"))
	}
	c.Reader.complete(c.MaxMemory)
	if c.LibPath == "" {
		path, err := LibPath()
		c.LibPath = path
		faults = append(faults, err)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Registerer == nil {
		c.Registerer = prometheus.NewRegistry()
	}
	if c.Connections == 0 {
		c.Connections = 3
	}
	if c.QueueWait == 0 {
		c.QueueWait = 5 * time.Second
	}
	return errors.Join(faults...)
}

// Ready returns an error while inserts are refused because the disk is full.
func (e *Engine) Ready(context.Context) error { return e.folder.ready() }

// Addr returns the host:port that the engine is bound to.
func (e *Engine) Addr() string { return e.listener.Addr().String() }

// DSN returns the address of a database in the form that clickhouse-go reads, password included.
func (e *Engine) DSN(database string) string {
	dsn := url.URL{Scheme: "http", User: url.UserPassword(defaultUser, e.conf.Password), Host: e.Addr(), Path: database}
	return dsn.String()
}

// Run serves until ctx ends, waits for running requests, and closes the engine.
func (e *Engine) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- e.server.Serve(e.listener) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if e.server.Shutdown(drain) != nil {
			e.log.Warn("engine cancels running statements", "after", drainTime)
			_ = e.server.Close()
		}
		err = <-served
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, e.Close())
}

// Close stops the engine and unlocks the data folder. Run calls it.
func (e *Engine) Close() error {
	var err error
	e.closing.Do(func() {
		_ = e.server.Close()
		_ = e.listener.Close()
		e.pool.close()
		err = e.folder.release()
	})
	return err
}
