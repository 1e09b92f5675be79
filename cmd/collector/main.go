// Command collector receives entries over HTTP and writes them to Kafka.
package main

import (
	"context"
	"errors"

	"github.com/activitylog/activitylog/cmd/internal/collector"
	"github.com/activitylog/activitylog/cmd/internal/dialect"
	"github.com/activitylog/activitylog/cmd/internal/idempotency"
	"github.com/activitylog/activitylog/cmd/internal/identity"
	"github.com/activitylog/activitylog/cmd/internal/identity/apikey"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

type config struct {
	service.Common
	HTTP      service.HTTP       `embed:""`
	Auth      identity.Config    `embed:""`
	Kafka     kafka.Config       `embed:""`
	Creation  kafka.Creation     `embed:""`
	Collector collector.Config   `embed:""`
	Keys      idempotency.Config `embed:""`
	Dialects  dialect.Config     `embed:""`
}

// Defaults sets every setting to its default.
func (c *config) Defaults() {
	c.HTTP.Defaults()
	c.HTTP.Addr = "127.0.0.1:8081"
	c.Auth.Defaults()
	c.Kafka.Defaults()
	c.Creation.Defaults()
	c.Collector.Defaults()
	c.Keys.Defaults()
}

// Validate returns everything that is wrong with c.
func (c *config) Validate() error {
	return errors.Join(c.HTTP.Validate(), c.Auth.Validate(c.HTTP.Addr), c.Kafka.Validate(), c.Creation.Validate(), c.Collector.Validate(), c.Keys.Validate())
}

func main() {
	var c config
	service.Main("collector", "Receives activity logs over HTTP and writes them to Kafka.", &c, c.run)
}

func (c *config) run(ctx context.Context, p *service.Process) error {
	client, err := c.Kafka.Client()
	if err != nil {
		return err
	}
	topics := kafka.Topics(c.Kafka, c.Creation, client, p.Log)
	auth := identity.New(c.Auth, apikey.Topic{Client: client, Name: schemakafka.Keys(c.Kafka.Topic)}, p.Log, p.Metrics)
	needs := collector.Needs{Topic: c.Kafka.Topic, Kafka: client, Dialects: c.Dialects, Keys: c.Keys, Alone: true}
	for _, part := range []service.Part{topics.Part(), auth.Part(), collector.Part(c.Collector, needs, p)} {
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
