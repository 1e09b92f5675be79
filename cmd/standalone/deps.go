package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/cmd/internal/service/clickhouse"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
	"github.com/activitylog/activitylog/deploy/embedded/broker"
	"github.com/activitylog/activitylog/deploy/embedded/engine"
	"github.com/activitylog/activitylog/deploy/embedded/folder"
	schemaclickhouse "github.com/activitylog/activitylog/schema/clickhouse"
)

type brokerConfig struct {
	Addr         string         `name:"broker-addr" help:"Address that the broker listens on; empty: 127.0.0.1:9092 with --only, else a free port of 127.0.0.1." env:"BROKER_ADDR"`
	Password     service.Secret `name:"kafka-password" help:"Password of the broker for the user activity; empty: none with --only, so that every local user may connect, else a random one." env:"KAFKA_PASSWORD"`
	MaxBytes     int64          `name:"broker-max-bytes" help:"Refuse entries while the broker's logs are larger than this." env:"BROKER_MAX_BYTES"`
	KeepBytes    int64          `name:"broker-keep-bytes" help:"Drop stored entries from the broker's logs beyond this size." env:"BROKER_KEEP_BYTES"`
	ReserveBytes int64          `name:"broker-reserve-bytes" help:"Refuse entries while the disk has less free space than this; 0: 5 % of the disk, at most 2 GB." env:"BROKER_RESERVE_BYTES"`
	Sync         bool           `name:"broker-sync" help:"Sync every entry to disk before it is acknowledged." negatable:"" env:"BROKER_SYNC"`
}

// Defaults returns the broker's defaults.
func (c *brokerConfig) Defaults() {
	d := broker.Defaults()
	c.MaxBytes, c.KeepBytes, c.Sync = d.MaxBytes, d.KeepBytes, !d.NoSync
}

func (c *brokerConfig) validate() error {
	var faults []error
	for _, size := range []struct {
		variable string
		value    int64
		least    int64
	}{{"BROKER_MAX_BYTES", c.MaxBytes, 1}, {"BROKER_KEEP_BYTES", c.KeepBytes, 1}, {"BROKER_RESERVE_BYTES", c.ReserveBytes, 0}} {
		if size.value < size.least {
			faults = append(faults, fmt.Errorf("%s: must be %d or more, but is %d", size.variable, size.least, size.value))
		}
	}
	return errors.Join(faults...)
}

type engineConfig struct {
	Addr      string         `name:"engine-addr" help:"Address that the engine listens on; empty: 127.0.0.1:8123, or a free port if that is taken (not with --only)." env:"ENGINE_ADDR"`
	Password  service.Secret `name:"clickhouse-password" help:"Password of the engine for the user default; empty: a random one, which is kept in the data folder." env:"CLICKHOUSE_PASSWORD"`
	Reader    service.Secret `name:"reader-password" help:"Password of the engine for the user reader, who can only read the views; empty: a random one, which is kept in the data folder." env:"READER_PASSWORD"`
	MaxMemory uint64         `name:"engine-max-memory" help:"Most memory of the engine, in bytes; 0: half of the machine's." env:"ENGINE_MAX_MEMORY"`
	Reserve   int64          `name:"engine-reserve-bytes" help:"Store nothing while the disk has less free space than this; 0: 5 % of the disk, at most 2 GB." env:"ENGINE_RESERVE_BYTES"`
	LibPath   string         `name:"chdb-lib-path" help:"Path of the engine's library libchdb.so, instead of the fetched one." placeholder:"FILE" env:"CHDB_LIB_PATH"`
}

// spare is where the engine listens if its usual port is taken. With --only, other processes look for it at that port.
func (c *config) spare() string {
	if c.Engine.Addr != "" || len(c.Only) > 0 {
		return ""
	}
	return anyPort
}

func (c *engineConfig) validate() error {
	var faults []error
	if c.Reserve < 0 {
		faults = append(faults, fmt.Errorf("ENGINE_RESERVE_BYTES: must be 0 or more, but is %d", c.Reserve))
	}
	if c.Reader != "" && c.Reader == c.Password {
		faults = append(faults, errors.New("READER_PASSWORD: must differ from CLICKHOUSE_PASSWORD"))
	}
	return errors.Join(faults...)
}

const (
	anyPort    = "127.0.0.1:0"
	brokerAddr = "127.0.0.1:9092" // where the services look for Kafka by default
	engineAddr = "127.0.0.1:8123" // and for ClickHouse
	database   = "default"
)

// addr is where the broker listens: as configured, else at its usual port with --only, else at any port.
func (c *brokerConfig) addr(alone bool) string {
	if c.Addr == "" && !alone {
		return anyPort
	}
	return cmp.Or(c.Addr, brokerAddr)
}

// links has the settings with which other processes connect to the dependencies of this one.
type links struct {
	kafka      kafka.Config
	clickhouse clickhouse.Config
	engine     string // address
	reader     string // the password of the user reader
}

// startBroker starts the broker. Without --only a password protects it, a random one if none is configured.
func (c *config) startBroker(ctx context.Context, p *service.Process, l *links) error {
	cfg := broker.Config{
		Addr: c.Broker.addr(len(c.Only) > 0), DataDir: filepath.Join(c.DataDir, "broker"), NoSync: !c.Broker.Sync,
		Password: c.Broker.Password.Reveal(), NoPassword: c.Broker.Password == "" && len(c.Only) > 0,
		MaxBytes: c.Broker.MaxBytes, KeepBytes: c.Broker.KeepBytes, ReserveBytes: c.Broker.ReserveBytes,
		Log: p.Log, Registerer: p.Metrics,
	}
	var b *broker.Broker
	part := service.Part{
		Name: "broker",
		Start: func(ctx context.Context) (err error) {
			b, err = broker.Open(ctx, cfg)
			return startFault("BROKER_ADDR", err)
		},
		Stop:  func() error { return b.Close() },
		Ready: func(ctx context.Context) error { return b.Ready(ctx) },
	}
	if err := p.Start(ctx, part); err != nil {
		return err
	}
	l.kafka = kafka.Config{Brokers: []string{b.Addr()}, Topic: c.Topic, SASL: "none"}
	if !cfg.NoPassword {
		l.kafka.SASL, l.kafka.Username, l.kafka.Password = "plain", broker.User, service.Secret(b.Password())
	}
	if len(c.Only) == 0 || !c.Creation.Create {
		return nil
	}
	client, err := l.kafka.Client()
	if err != nil {
		return err
	}
	return p.Start(ctx, kafka.Topics(l.kafka, c.Creation, client, p.Log).Part())
}

// startEngine starts the engine and migrates its tables.
func (c *config) startEngine(ctx context.Context, p *service.Process, l *links) error {
	dir := filepath.Join(c.DataDir, "engine")
	cfg := engine.Config{
		Addr: cmp.Or(c.Engine.Addr, engineAddr), Spare: c.spare(), DataDir: dir, Password: c.Engine.Password.Reveal(),
		Reader:  engine.Reader{Password: c.Engine.Reader.Reveal(), Grants: schemaclickhouse.ReaderGrants(database)},
		LibPath: c.Engine.LibPath, MaxMemory: c.Engine.MaxMemory, Reserve: c.Engine.Reserve, Log: p.Log, Registerer: p.Metrics,
	}
	var e *engine.Engine
	part := service.Part{
		Name: "engine",
		Start: func(ctx context.Context) (err error) {
			if _, err := os.Stat(cfg.LibPath); cfg.LibPath != "" && err != nil {
				return fmt.Errorf("%w: CHDB_LIB_PATH: %w", service.ErrMissing, err)
			}
			if cfg.Password == "" {
				if cfg.Password, err = folder.Password(dir); err != nil {
					return err
				}
			}
			if cfg.Reader.Password == "" {
				if cfg.Reader.Password, err = folder.PasswordOf(dir, "reader-password"); err != nil {
					return err
				}
			}
			e, err = engine.Open(ctx, cfg)
			return startFault("ENGINE_ADDR", err)
		},
		Run:   func(ctx context.Context) error { return e.Run(ctx) },
		Ready: func(ctx context.Context) error { return e.Ready(ctx) },
	}
	if err := p.Start(ctx, part); err != nil {
		return err
	}
	l.clickhouse = clickhouse.Config{
		DSN:      service.Secret(fmt.Sprintf("http://default@%s/%s", e.Addr(), database)),
		Password: service.Secret(cfg.Password),
	}
	l.reader, l.engine = cfg.Reader.Password, e.Addr()
	if err := migrate(ctx, p, l.clickhouse); err != nil || len(c.Only) == 0 {
		return err
	}
	conn, err := l.clickhouse.Conn()
	if err != nil {
		return err
	}
	return p.Start(ctx, service.Part{Name: "tables", Ready: func(ctx context.Context) error { return clickhouse.Current(ctx, conn) }, Stop: conn.Close})
}

func migrate(ctx context.Context, p *service.Process, c clickhouse.Config) error {
	opts, err := c.Options()
	if err != nil {
		return err
	}
	applied, err := schemaclickhouse.Migrate(ctx, opts)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if len(applied) > 0 {
		p.Log.Info("migrations applied", "migrations", applied)
	}
	return nil
}

// startFault marks errors that waiting does not solve, and names the variable of an address that is taken.
func startFault(addrVariable string, err error) error {
	switch {
	case errors.Is(err, folder.ErrLocked), errors.Is(err, folder.ErrCopied), errors.Is(err, engine.ErrLibrary):
		return fmt.Errorf("%w: %w", service.ErrMissing, err)
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: %w", addrVariable, err)
	}
	return err
}
