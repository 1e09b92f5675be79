// Command query serves reads and deletes from ClickHouse.
package main

import (
	"context"
	"errors"

	"github.com/activitylog/activitylog/cmd/internal/dialect"
	"github.com/activitylog/activitylog/cmd/internal/home"
	"github.com/activitylog/activitylog/cmd/internal/identity"
	"github.com/activitylog/activitylog/cmd/internal/identity/apikey"
	"github.com/activitylog/activitylog/cmd/internal/query"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/cmd/internal/service/clickhouse"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

type config struct {
	service.Common
	HTTP       service.HTTP      `embed:""`
	Auth       identity.Config   `embed:""`
	Kafka      kafka.Config      `embed:""`
	ClickHouse clickhouse.Config `embed:""`
	Query      query.Config      `embed:""`
	Dialects   dialect.Config    `embed:""`
}

// Defaults sets every setting to its default.
func (c *config) Defaults() {
	c.HTTP.Defaults()
	c.HTTP.Addr = "127.0.0.1:8083"
	c.Auth.Defaults()
	c.Kafka.Defaults()
	c.ClickHouse.Defaults()
	c.Query.Defaults()
}

// Validate returns everything that is wrong with c.
func (c *config) Validate() error {
	return errors.Join(c.HTTP.Validate(), c.Auth.Validate(c.HTTP.Addr), c.Kafka.Validate(), c.ClickHouse.Validate(), c.Query.Validate())
}

func main() {
	var c config
	service.Main("query", "Serves reads and deletes of activity logs from ClickHouse.", &c, c.run)
}

func (c *config) run(ctx context.Context, p *service.Process) error {
	client, err := c.Kafka.Client()
	if err != nil {
		return err
	}
	conn, err := c.ClickHouse.Conn()
	if err != nil {
		return err
	}
	topics := kafka.Topics(c.Kafka, kafka.Creation{}, client, p.Log)
	tables := clickhouse.Tables(conn, p.Log)
	auth := identity.New(c.Auth, apikey.Topic{Client: client, Name: schemakafka.Keys(c.Kafka.Topic)}, p.Log, p.Metrics)
	needs := query.Needs{Topic: c.Kafka.Topic, Kafka: client, Conn: conn, Tables: tables, Dialects: c.Dialects}
	for _, part := range []service.Part{
		topics.Part(),
		{Name: "clickhouse", Stop: conn.Close},
		tables.Part(), auth.Part(), query.Part(c.Query, needs, p),
		home.Part(home.Config{Auth: c.Auth, Collector: "http://127.0.0.1:8081"}),
	} {
		if err := p.Start(ctx, part); err != nil {
			return err
		}
	}
	p.CORS = auth.CORS
	if _, err := p.Listen(ctx, c.HTTP, auth.Middleware); err != nil {
		return err
	}
	return p.Wait(ctx)
}
