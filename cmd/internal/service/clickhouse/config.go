// Package clickhouse holds the settings by which a process reaches ClickHouse, and waits for its tables.
package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/activitylog/cmd/internal/service"
	schemaclickhouse "github.com/activitylog/activitylog/schema/clickhouse"
)

// Config say where ClickHouse is and how to log in to it.
type Config struct {
	DSN      service.Secret `name:"clickhouse-dsn" help:"ClickHouse's HTTP interface: http://user:password@host:8123/database, or https." env:"CLICKHOUSE_DSN"`
	Password service.Secret `name:"clickhouse-password" help:"Password, in place of the one in CLICKHOUSE_DSN." env:"CLICKHOUSE_PASSWORD"`
}

// Defaults is a server on this machine that asks for no password.
func (s *Config) Defaults() { s.DSN = "http://default@127.0.0.1:8123/default" }

// Validate says what is wrong with s.
func (s Config) Validate() error {
	_, err := s.Options()
	return err
}

// Options are s as the client takes them. Its errors show no password.
func (s Config) Options() (*clickhouse.Options, error) {
	u, err := url.Parse(s.DSN.Reveal())
	if err != nil {
		return nil, errors.New("CLICKHOUSE_DSN: not a URL") // url.Error quotes it
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("CLICKHOUSE_DSN: want http:// or https:// (port 8123 or 8443), but it begins with %q", u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, errors.New("CLICKHOUSE_DSN: names no host")
	}
	if u.Scheme == "https" { // the client wants to be told twice
		q := u.Query()
		q.Set("secure", "true")
		u.RawQuery = q.Encode()
	}
	opts, err := clickhouse.ParseDSN(u.String())
	if err != nil {
		return nil, errors.New("CLICKHOUSE_DSN: want http://user:password@host:port/database")
	}
	if s.Password != "" {
		opts.Auth.Password = s.Password.Reveal()
	}
	if opts.Auth.Database == "" {
		opts.Auth.Database = "default"
	}
	if opts.TLS != nil {
		opts.TLS.MinVersion = tls.VersionTLS12
	}
	opts.DialTimeout = 2 * time.Second
	opts.MaxOpenConns, opts.MaxIdleConns = 32, 8
	return opts, nil
}

// Conn is a pool of connections. It connects when it is first used.
func (s Config) Conn() (driver.Conn, error) {
	opts, err := s.Options()
	if err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	return conn, nil
}

// Tables is the part of a process that waits for the tables of this version.
func Tables(conn driver.Conn, log *slog.Logger) *service.Await {
	return service.NewAwait("tables", log, func(ctx context.Context) error { return Current(ctx, conn) })
}

// unknownTable and unknownDatabase are ClickHouse's codes (ErrorCodes.cpp).
const (
	unknownTable    = 60
	unknownDatabase = 81
)

// Current is nil when the database has every migration of this version.
func Current(ctx context.Context, conn driver.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	all, err := schemaclickhouse.Migrations()
	if err != nil {
		return err
	}
	at, err := schemaclickhouse.Version(ctx, conn)
	var ex *clickhouse.Exception
	if errors.As(err, &ex) && (ex.Code == unknownTable || ex.Code == unknownDatabase) {
		at, err = 0, nil
	}
	if err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	if at < len(all) {
		return fmt.Errorf("clickhouse has tables of version %d, want %d: run activityctl migrate", at, len(all))
	}
	return nil
}
