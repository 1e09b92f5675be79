// Command collector takes entries in over HTTP and writes them to Kafka.
package main

import (
	"context"
	"errors"

	"github.com/activitylog/activitylog/cmd/internal/collector"
	"github.com/activitylog/activitylog/cmd/internal/identity"
	"github.com/activitylog/activitylog/cmd/internal/identity/apikey"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

type settings struct {
	service.Common
	HTTP      service.HTTP       `embed:"" set:"http_addr=127.0.0.1:8081"`
	Auth      identity.Settings  `embed:""`
	Kafka     kafka.Settings     `embed:""`
	Creation  kafka.Creation     `embed:"" set:"create_topics=false" set:"kafka_retention=168h" set:"partitions=4"`
	Collector collector.Settings `embed:""`
	Keys      service.Keys       `embed:""`
	Dialects  service.Dialects   `embed:""`
}

// Check names everything that is wrong with s.
func (s *settings) Check() error {
	return errors.Join(s.HTTP.Check(), s.Auth.Check(s.HTTP.Addr), s.Kafka.Check(), s.Creation.Check(), s.Collector.Check(), s.Keys.Check())
}

func main() {
	var s settings
	service.Main("collector", "Takes activity logs in over HTTP and writes them to Kafka.", &s, s.run)
}

func (s *settings) run(ctx context.Context, p *service.Process) error {
	client, err := s.Kafka.Client()
	if err != nil {
		return err
	}
	topics := kafka.Topics(s.Kafka, s.Creation, client, p.Log)
	auth := identity.New(s.Auth, apikey.Topic{Client: client, Name: schemakafka.Keys(s.Kafka.Topic)}, p.Log, p.Metrics)
	needs := collector.Needs{Topic: s.Kafka.Topic, Kafka: client, Dialects: s.Dialects, Keys: s.Keys, Alone: true}
	for _, part := range []service.Part{topics.Part(), auth.Part(), collector.Part(s.Collector, needs, p)} {
		if err := p.Start(ctx, part); err != nil {
			return err
		}
	}
	if _, err := p.Listen(ctx, s.HTTP, auth.Middleware); err != nil {
		return err
	}
	return p.Wait(ctx)
}
