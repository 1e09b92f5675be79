// Package clickhouse holds the settings to connect to ClickHouse, and waits for its tables.
package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/activitylog/cmd/internal/service"
	schemaclickhouse "github.com/activitylog/activitylog/schema/clickhouse"
)

// Config has ClickHouse's address and credentials.
type Config struct {
	DSN      service.Secret `name:"clickhouse-dsn" help:"ClickHouse's HTTP interface: http://user:password@host:8123/database, or https." env:"CLICKHOUSE_DSN"`
	Password service.Secret `name:"clickhouse-password" help:"Password, instead of the one in CLICKHOUSE_DSN." env:"CLICKHOUSE_PASSWORD"`
}

// Defaults returns the settings for a server on this machine, without a password.
func (c *Config) Defaults() { c.DSN = "http://default@127.0.0.1:8123/default" }

// Validate returns what is wrong with c.
func (c Config) Validate() error {
	_, err := c.Options()
	return err
}

// Options returns the options of the client. Its errors show no password.
func (c Config) Options() (*clickhouse.Options, error) {
	u, err := url.Parse(c.DSN.Reveal())
	if err != nil {
		return nil, errors.New("CLICKHOUSE_DSN: not a URL") // url.Error quotes it
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("CLICKHOUSE_DSN: want http:// or https:// (port 8123 or 8443), but it begins with %q", u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, errors.New("CLICKHOUSE_DSN: names no host")
	}
	if u.Scheme == "https" { // the client needs it twice
		q := u.Query()
		q.Set("secure", "true")
		u.RawQuery = q.Encode()
	}
	opts, err := clickhouse.ParseDSN(u.String())
	if err != nil {
		return nil, errors.New("CLICKHOUSE_DSN: want http://user:password@host:port/database")
	}
	if c.Password != "" {
		opts.Auth.Password = c.Password.Reveal()
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

// Conn returns a pool of connections, which connects on first use.
func (c Config) Conn() (driver.Conn, error) {
	opts, err := c.Options()
	if err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	return conn, nil
}

// Tables returns the part of a process that waits for the tables of this version.
func Tables(conn driver.Conn, log *slog.Logger) *service.Await {
	return service.NewAwait(service.Dependency{
		Name: "tables", Waiting: "waiting for clickhouse", Ready: "clickhouse ready",
		Try:   func(ctx context.Context) error { return Current(ctx, conn) },
		Still: func(ctx context.Context) error { return Current(ctx, conn) },
	}, log)
}

// Error codes of ClickHouse (ErrorCodes.cpp).
const (
	unknownTable    = 60
	unknownDatabase = 81
)

// Current returns nil if the database has every migration of this version, and all their tables.
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
	if at > len(all) {
		return nil // a newer version knows what it needs
	}
	missing, err := schemaclickhouse.Missing(ctx, conn, all)
	if err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("clickhouse: missing: %s", strings.Join(missing, ", "))
	}
	return nil
}
