// Command query answers reads and deletes from ClickHouse.
package main

import (
	"context"
	"errors"

	"github.com/activitylog/activitylog/cmd/internal/identity"
	"github.com/activitylog/activitylog/cmd/internal/identity/apikey"
	"github.com/activitylog/activitylog/cmd/internal/query"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/cmd/internal/service/clickhouse"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

type settings struct {
	service.Common
	HTTP       service.HTTP        `embed:"" set:"http_addr=127.0.0.1:8083"`
	Auth       identity.Settings   `embed:""`
	Kafka      kafka.Settings      `embed:""`
	ClickHouse clickhouse.Settings `embed:""`
	Query      query.Settings      `embed:""`
	Dialects   service.Dialects    `embed:""`
}

// Check says everything that is wrong with s.
func (s *settings) Check() error {
	return errors.Join(s.HTTP.Check(), s.Auth.Check(s.HTTP.Addr), s.Kafka.Check(), s.ClickHouse.Check(), s.Query.Check())
}

func main() {
	var s settings
	service.Main("query", "Answers reads and deletes of activity logs from ClickHouse.", &s, s.run)
}

func (s *settings) run(ctx context.Context, p *service.Process) error {
	client, err := s.Kafka.Client()
	if err != nil {
		return err
	}
	conn, err := s.ClickHouse.Conn()
	if err != nil {
		return err
	}
	topics := kafka.Topics(s.Kafka, kafka.Creation{}, client, p.Log)
	tables := clickhouse.Tables(conn, p.Log)
	auth := identity.New(s.Auth, apikey.Topic{Client: client, Name: schemakafka.Keys(s.Kafka.Topic)}, p.Log, p.Metrics)
	needs := query.Needs{Topic: s.Kafka.Topic, Kafka: client, Conn: conn, Tables: tables, Dialects: s.Dialects}
	for _, part := range []service.Part{
		topics.Part(), {Name: "clickhouse", Stop: conn.Close}, tables.Part(), auth.Part(), query.Part(s.Query, needs, p),
	} {
		if err := p.Start(ctx, part); err != nil {
			return err
		}
	}
	if _, err := p.Listen(ctx, s.HTTP, auth.Middleware); err != nil {
		return err
	}
	return p.Wait(ctx)
}
