// Package query wires the query service, in the same way for its own process and for standalone.
package query

import (
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-chi/chi/v5"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/internal/dialect"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/dialect/access"
	"github.com/activitylog/activitylog/query/dialect/audit"
	"github.com/activitylog/activitylog/query/dialect/fleet"
	"github.com/activitylog/activitylog/query/dialect/things"
	"github.com/activitylog/activitylog/query/retain"
	"github.com/activitylog/activitylog/query/ui"
)

// Config has the settings of the query service.
type Config struct {
	WaitMax      time.Duration  `help:"How long a read may wait for its own write, and a delete until it is done." env:"WAIT_MAX"`
	ReadWait     time.Duration  `help:"How long a read without a position may wait to show what was acknowledged before it; 0: not at all." env:"READ_WAIT"`
	QueryTimeout time.Duration  `help:"Timeout of one query, and of all queries of a list or of statistics together." env:"QUERY_TIMEOUT"`
	QueryMemory  int64          `help:"Most memory of one query in ClickHouse, in bytes." env:"QUERY_MEMORY"`
	Retention    int            `name:"retention-days" help:"Days (UTC) that an entry stays visible after the day of receipt, unless its tenant has set another number." env:"RETENTION_DAYS"`
	CursorSecret service.Secret `help:"Secret that signs cursors; empty: one is created once and kept in ClickHouse." env:"CURSOR_SECRET"`
	CursorMaxAge time.Duration  `help:"How long a cursor is valid." env:"CURSOR_MAX_AGE"`
	ExportMax    int            `name:"export-max" help:"Most exports at once; one more gets 503." env:"EXPORT_MAX"`
	TailMax      int            `name:"tail-max" help:"Most live tails at once; one more gets 503." env:"TAIL_MAX"`
	CleanupEvery time.Duration  `name:"cleanup-every" help:"Time between two searches for expired entries." env:"CLEANUP_EVERY"`
	Webhook      service.Secret `name:"cleanup-webhook-url" help:"URL that gets a POST after each cleanup; https, or http on this host." env:"CLEANUP_WEBHOOK_URL"`
	WebhookToken service.Secret `name:"cleanup-webhook-secret" help:"Bearer token for the webhook." env:"CLEANUP_WEBHOOK_SECRET"`
}

func (s Config) config(topic string) backend.Config {
	c := backend.Defaults()
	c.Stored.Topic, c.Stored.WaitMax, c.Stored.ReadWait = topic, s.WaitMax, s.ReadWait
	c.DB.QueryTimeout, c.DB.MaxMemory = s.QueryTimeout, s.QueryMemory
	c.Visible.RetentionDays = s.Retention
	c.Query.CursorSecret, c.Query.CursorMaxAge = s.CursorSecret.Reveal(), s.CursorMaxAge
	c.Query.Exports, c.Query.Tails = s.ExportMax, s.TailMax
	c.Retain.CleanupInterval, c.Retain.Webhook = s.CleanupEvery, retain.Webhook{URL: s.Webhook.Reveal(), Secret: s.WebhookToken.Reveal()}
	return c
}

// Defaults are the defaults of query's packages.
func (s *Config) Defaults() {
	d := backend.Defaults()
	s.WaitMax, s.ReadWait, s.QueryTimeout, s.QueryMemory = d.Stored.WaitMax, d.Stored.ReadWait, d.DB.QueryTimeout, d.DB.MaxMemory
	s.Retention, s.CursorMaxAge = d.Visible.RetentionDays, d.Query.CursorMaxAge
	s.ExportMax, s.TailMax, s.CleanupEvery = d.Query.Exports, d.Query.Tails, d.Retain.CleanupInterval
}

// Validate returns everything that is wrong with s.
func (s Config) Validate() error {
	var defaults Config
	defaults.Defaults()
	return service.Named(s, defaults, func(s Config) error { return s.config("activity").Validate() })
}

// Needs has the parts of the process that the service uses.
type Needs struct {
	Topic    string
	Kafka    *kafka.Client
	Conn     driver.Conn
	Tables   *service.Await
	Dialects dialect.Config
}

// Part returns the service. It takes requests at once and answers them as soon as the tables are there.
func Part(s Config, n Needs, p *service.Process) service.Part {
	b := backend.New(s.config(n.Topic), n.Conn, n.Kafka, p.Log, p.Metrics)
	return service.Part{
		Name:  "query",
		Run:   n.Tables.After(b.Run),
		Ready: b.Ready,
		Routes: func(r chi.Router) {
			fleet.New(b, b, fleet.Config{Always200: n.Dialects.FleetAlways200}, p.Log).Routes(r)
			access.New(b, p.Log).Routes(r)
			audit.New(audit.Store{Reads: b, Details: b, Streams: b, Erasures: b, Retentions: b}, p.Log).Routes(r)
			things.New(b, b.Actions, p.Log).Routes(r)
			ui.New().Routes(r)
		},
	}
}
