package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/identity"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/cmd/internal/service/clickhouse"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
	"github.com/activitylog/activitylog/deploy/embedded/broker"
	"github.com/activitylog/activitylog/deploy/embedded/engine"
	schemaclickhouse "github.com/activitylog/activitylog/schema/clickhouse"
)

type brokerConfig struct {
	Addr         string         `name:"broker-addr" help:"Address that the broker of --only listens on." env:"BROKER_ADDR"`
	Password     service.Secret `name:"kafka-password" help:"Password of the broker of --only for the user activity; empty: every local user may connect." env:"KAFKA_PASSWORD"`
	MaxBytes     int64          `name:"broker-max-bytes" help:"Refuse entries while the broker's logs are larger than this." env:"BROKER_MAX_BYTES"`
	KeepBytes    int64          `name:"broker-keep-bytes" help:"Drop stored entries from the broker's logs beyond this size." env:"BROKER_KEEP_BYTES"`
	ReserveBytes int64          `name:"broker-reserve-bytes" help:"Refuse entries while the disk has less free space than this; 0: 5 % of the disk, at most 2 GB." env:"BROKER_RESERVE_BYTES"`
	Sync         bool           `name:"broker-sync" help:"Sync every entry to disk before it is acknowledged." negatable:"" env:"BROKER_SYNC"`
}

// Defaults takes the address that the services connect to by default.
func (c *brokerConfig) Defaults(addr string) {
	c.Addr, c.MaxBytes, c.KeepBytes, c.Sync = addr, 8<<30, 512<<20, true
}

type engineConfig struct {
	Addr      string         `name:"engine-addr" help:"Address that the engine of --only listens on." env:"ENGINE_ADDR"`
	Password  service.Secret `name:"clickhouse-password" help:"Password of the engine of --only for the user default; empty: a random one is created and printed." env:"CLICKHOUSE_PASSWORD"`
	MaxMemory uint64         `name:"engine-max-memory" help:"Most memory of the engine, in bytes; 0: half of the machine's." env:"ENGINE_MAX_MEMORY"`
	Reserve   int64          `name:"engine-reserve-bytes" help:"Store nothing while the disk has less free space than this; 0: 5 % of the disk, at most 2 GB." env:"ENGINE_RESERVE_BYTES"`
	LibPath   string         `name:"chdb-lib-path" help:"Path of the engine's library libchdb.so, instead of the fetched one." placeholder:"FILE" env:"CHDB_LIB_PATH"`
}

// Defaults takes ClickHouse's own port.
func (c *engineConfig) Defaults() { c.Addr = "127.0.0.1:8123" }

const (
	anyPort  = "127.0.0.1:0"
	database = "default"
)

// links is how to connect to the dependencies of this process.
type links struct {
	kafka      kafka.Config
	clickhouse clickhouse.Config
}

// startBroker starts the broker: on a free port with a random password, or with --only as configured.
func (c *config) startBroker(ctx context.Context, p *service.Process, l *links) error {
	cfg := broker.Config{
		Addr: anyPort, DataDir: filepath.Join(c.DataDir, "broker"), NoSync: !c.Broker.Sync,
		MaxBytes: c.Broker.MaxBytes, KeepBytes: c.Broker.KeepBytes, ReserveBytes: c.Broker.ReserveBytes,
		Log: p.Log, Registerer: p.Metrics,
	}
	if len(c.Only) > 0 {
		cfg.Addr, cfg.Password = c.Broker.Addr, c.Broker.Password.Reveal()
		cfg.NoPassword = cfg.Password == ""
	}
	var b *broker.Broker
	part := service.Part{
		Name:  "broker",
		Start: func(ctx context.Context) (err error) { b, err = broker.Open(ctx, cfg); return missing(err) },
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

// startEngine starts the engine, like startBroker, and migrates its tables.
func (c *config) startEngine(ctx context.Context, p *service.Process, l *links) error {
	dir := filepath.Join(c.DataDir, "engine")
	cfg := engine.Config{Addr: anyPort, DataDir: dir, LibPath: c.Engine.LibPath, MaxMemory: c.Engine.MaxMemory, Reserve: c.Engine.Reserve, Log: p.Log, Registerer: p.Metrics}
	if len(c.Only) > 0 {
		cfg.Addr, cfg.Password = c.Engine.Addr, c.Engine.Password.Reveal()
	}
	var e *engine.Engine
	part := service.Part{
		Name: "engine",
		Start: func(ctx context.Context) (err error) {
			if _, err := os.Stat(cfg.LibPath); cfg.LibPath != "" && err != nil {
				return fmt.Errorf("%w: CHDB_LIB_PATH: %w", service.ErrMissing, err)
			}
			if cfg.Password == "" {
				if cfg.Password, err = keptPassword(dir); err != nil {
					return err
				}
			}
			e, err = engine.Open(ctx, cfg)
			return missing(err)
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
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	applied, err := schemaclickhouse.Migrate(ctx, opts)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if len(applied) > 0 {
		p.Log.Info("migrations applied", "migrations", applied)
	}
	return nil
}

// missing marks errors that waiting does not solve.
func missing(err error) error {
	if errors.Is(err, broker.ErrLocked) || errors.Is(err, engine.ErrLocked) || errors.Is(err, engine.ErrLibrary) {
		return fmt.Errorf("%w: %w", service.ErrMissing, err)
	}
	return err
}

// keptPassword returns the password in dir, and creates one the first time.
func keptPassword(dir string) (string, error) {
	path := filepath.Join(dir, "password")
	text, err := os.ReadFile(path)
	if err == nil && len(text) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read password: %w", err)
	}
	made := rand.Text()
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(path, []byte(made+"\n"), 0o600)); err != nil {
		return "", fmt.Errorf("keep password: %w", err)
	}
	return made, nil
}

// env returns the variables that connect a service to the dependencies.
func (l *links) env() string {
	var b strings.Builder
	if len(l.kafka.Brokers) > 0 {
		fmt.Fprintf(&b, "KAFKA_BROKERS=%s\nKAFKA_TOPIC=%s\nKAFKA_SASL=%s\n", l.kafka.Brokers[0], l.kafka.Topic, l.kafka.SASL)
	}
	if l.kafka.Username != "" {
		fmt.Fprintf(&b, "KAFKA_USERNAME=%s\nKAFKA_PASSWORD=%s\n", l.kafka.Username, l.kafka.Password.Reveal())
	}
	if l.clickhouse.DSN != "" {
		fmt.Fprintf(&b, "CLICKHOUSE_DSN=%s\nCLICKHOUSE_PASSWORD=%s\n", l.clickhouse.DSN.Reveal(), l.clickhouse.Password.Reveal())
	}
	return b.String()
}

// write writes the variables of env, of the query service and of auth to a file that only the owner can read.
func (l *links) write(path, addr string, auth identity.Config) error {
	text := "# How to connect to the running standalone; written at each start. Example: activityctl --env-file services.env dead\n" + l.env() + "QUERY_URL=http://" + addr + "\n" + auth.Env()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write addresses: %w", err)
	}
	return nil
}
