// Package query wires the query service, alike in its own process and in standalone.
package query

import (
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-chi/chi/v5"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/dialect/access"
	"github.com/activitylog/activitylog/query/dialect/audit"
	"github.com/activitylog/activitylog/query/dialect/fleet"
	"github.com/activitylog/activitylog/query/dialect/things"
	"github.com/activitylog/activitylog/query/retain"
)

// Settings say how the query service answers.
type Settings struct {
	WaitMax      time.Duration  `help:"How long a read may wait for its own write, and a delete until it is done." default:"5s" env:"WAIT_MAX"`
	QueryTimeout time.Duration  `help:"How long one query may take." default:"10s" env:"QUERY_TIMEOUT"`
	QueryMemory  int64          `help:"Bytes that one query may take in ClickHouse." default:"1073741824" env:"QUERY_MEMORY"`
	Retention    int            `name:"retention-days" help:"Whole UTC days, after the day of receipt, for which an entry is visible, unless its tenant has set another number." default:"45" env:"RETENTION_DAYS"`
	CursorSecret service.Secret `help:"Signs cursors; without it a secret is made once and kept in ClickHouse." env:"CURSOR_SECRET"`
	CursorMaxAge time.Duration  `help:"A cursor older than this is refused." default:"24h" env:"CURSOR_MAX_AGE"`
	ExportMax    int            `name:"export-max" help:"Exports that may run at once; one more gets 503." default:"2" env:"EXPORT_MAX"`
	TailMax      int            `name:"tail-max" help:"Live tails that may follow at once; one more gets 503." default:"100" env:"TAIL_MAX"`
	CleanupEvery time.Duration  `name:"cleanup-every" help:"Pause between two looks for entries that have expired." default:"10m" env:"CLEANUP_EVERY"`
	Webhook      service.Secret `name:"cleanup-webhook-url" help:"Told of each cleanup by a POST; https, or http on this host." env:"CLEANUP_WEBHOOK_URL"`
	WebhookToken service.Secret `name:"cleanup-webhook-secret" help:"Sent to the webhook as a bearer token." env:"CLEANUP_WEBHOOK_SECRET"`
}

func (s Settings) config(topic string) backend.Config {
	c := backend.Defaults()
	c.Stored.Topic, c.Stored.WaitMax = topic, s.WaitMax
	c.DB.QueryTimeout, c.DB.MaxMemory = s.QueryTimeout, s.QueryMemory
	c.Visible.RetentionDays = s.Retention
	c.Query.CursorSecret, c.Query.CursorMaxAge = s.CursorSecret.Reveal(), s.CursorMaxAge
	c.Query.Exports, c.Query.Tails = s.ExportMax, s.TailMax
	c.Retain.CleanupInterval, c.Retain.Webhook = s.CleanupEvery, retain.Webhook{URL: s.Webhook.Reveal(), Secret: s.WebhookToken.Reveal()}
	return c
}

// Check says what is wrong with s.
func (s Settings) Check() error { return s.config("activity").Validate() }

// Needs are what the service stands on.
type Needs struct {
	Topic    string
	Kafka    *kafka.Client
	Conn     driver.Conn
	Tables   *service.Await
	Dialects service.Dialects
}

// Part is the service. It takes requests at once and answers them as soon as the tables are there.
func Part(s Settings, n Needs, p *service.Process) service.Part {
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
		},
	}
}
