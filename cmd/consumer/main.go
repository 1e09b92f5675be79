// Command consumer stores entries from Kafka in ClickHouse, exactly once.
package main

import (
	"context"
	"errors"

	"github.com/activitylog/activitylog/cmd/internal/consumer"
	"github.com/activitylog/activitylog/cmd/internal/idempotency"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/cmd/internal/service/clickhouse"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
)

// config has no Auth: the consumer serves only health checks and metrics.
type config struct {
	service.Common
	HTTP       service.HTTP       `embed:""`
	Kafka      kafka.Config       `embed:""`
	ClickHouse clickhouse.Config  `embed:""`
	Consumer   consumer.Config    `embed:""`
	Keys       idempotency.Config `embed:""`
}

// Defaults sets every setting to its default.
func (c *config) Defaults() {
	c.HTTP.Defaults()
	c.HTTP.Addr = "127.0.0.1:8082"
	c.Kafka.Defaults()
	c.ClickHouse.Defaults()
	c.Consumer.Defaults()
	c.Keys.Defaults()
}

// Validate returns everything that is wrong with c.
func (c *config) Validate() error {
	return errors.Join(c.HTTP.Validate(), c.Kafka.Validate(), c.ClickHouse.Validate(), c.Consumer.Validate(), c.Keys.Validate())
}

func main() {
	var c config
	service.Main("consumer", "Stores activity logs from Kafka in ClickHouse, exactly once.", &c, c.run)
}

func (c *config) run(ctx context.Context, p *service.Process) error {
	client, err := c.Kafka.Client()
	if err != nil {
		return err
	}
	opts, err := c.ClickHouse.Options()
	if err != nil {
		return err
	}
	conn, err := c.ClickHouse.Conn()
	if err != nil {
		return err
	}
	topics := kafka.Topics(c.Kafka, kafka.Creation{}, client, p.Log)
	tables := clickhouse.Tables(conn, p.Log)
	needs := consumer.Needs{Topic: c.Kafka.Topic, Brokers: c.Kafka.Brokers, Kafka: client, ClickHouse: opts, Tables: tables, Keys: c.Keys}
	parts := []service.Part{
		topics.Part(), {Name: "clickhouse", Stop: conn.Close}, tables.Part(), consumer.Part(c.Consumer, needs, p),
	}
	for _, part := range parts {
		if err := p.Start(ctx, part); err != nil {
			return err
		}
	}
	if _, err := p.Listen(ctx, c.HTTP, nil); err != nil {
		return err
	}
	return p.Wait(ctx)
}
