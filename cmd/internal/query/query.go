// Package query wires the query service, alike in its own process and in standalone.
package query

import (
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-chi/chi/v5"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/internal/dialect"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/access"
	"github.com/activitylog/activitylog/query/dialect/audit"
	"github.com/activitylog/activitylog/query/dialect/fleet"
	"github.com/activitylog/activitylog/query/dialect/things"
)

// Config say how the query service answers.
type Config struct {
	WaitMax      time.Duration  `help:"How long a read may wait for its own write, and a delete until it is done." env:"WAIT_MAX"`
	QueryTimeout time.Duration  `help:"Timeout of one query." env:"QUERY_TIMEOUT"`
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

func (s Config) config(topic string) query.Config {
	c := query.Defaults()
	c.Topic, c.WaitMax, c.QueryTimeout, c.MaxMemory = topic, s.WaitMax, s.QueryTimeout, s.QueryMemory
	c.RetentionDays, c.CursorSecret, c.CursorMaxAge = s.Retention, s.CursorSecret.Reveal(), s.CursorMaxAge
	c.Exports, c.Tails, c.CleanupInterval = s.ExportMax, s.TailMax, s.CleanupEvery
	c.Webhook = query.Webhook{URL: s.Webhook.Reveal(), Secret: s.WebhookToken.Reveal()}
	return c
}

// Defaults are those of the store.
func (s *Config) Defaults() {
	d := query.Defaults()
	s.WaitMax, s.QueryTimeout, s.QueryMemory = d.WaitMax, d.QueryTimeout, d.MaxMemory
	s.Retention, s.CursorMaxAge = d.RetentionDays, d.CursorMaxAge
	s.ExportMax, s.TailMax, s.CleanupEvery = d.Exports, d.Tails, d.CleanupInterval
}

// Validate says what is wrong with s.
func (s Config) Validate() error { return s.config("activity").Validate() }

// Needs are what the service stands on.
type Needs struct {
	Topic    string
	Kafka    *kafka.Client
	Conn     driver.Conn
	Tables   *service.Await
	Dialects dialect.Config
}

// Part is the service. It takes requests at once and answers them as soon as the tables are there.
func Part(s Config, n Needs, p *service.Process) service.Part {
	store := query.New(s.config(n.Topic), n.Conn, n.Kafka, p.Log, p.Metrics)
	return service.Part{
		Name:  "query",
		Run:   n.Tables.After(store.Run),
		Ready: store.Ready,
		Routes: func(r chi.Router) {
			fleet.New(store, fleet.Config{Always200: n.Dialects.FleetAlways200}, p.Log).Routes(r)
			access.New(store, p.Log).Routes(r)
			audit.New(store, p.Log).Routes(r)
			things.New(store, p.Log).Routes(r)
		},
	}
}
