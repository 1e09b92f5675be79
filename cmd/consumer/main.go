// Command consumer stores in ClickHouse what Kafka holds, exactly once.
package main

import (
	"context"
	"errors"

	"github.com/activitylog/activitylog/cmd/internal/consumer"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/cmd/internal/service/clickhouse"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
)

// settings have no Auth: the consumer serves nothing but its own health.
type settings struct {
	service.Common
	HTTP       service.HTTP        `embed:"" set:"http_addr=127.0.0.1:8082"`
	Kafka      kafka.Settings      `embed:""`
	ClickHouse clickhouse.Settings `embed:""`
	Consumer   consumer.Settings   `embed:""`
	Keys       service.Keys        `embed:""`
}

// Check says everything that is wrong with s.
func (s *settings) Check() error {
	return errors.Join(s.HTTP.Check(), s.Kafka.Check(), s.ClickHouse.Check(), s.Consumer.Check(), s.Keys.Check())
}

func main() {
	var s settings
	service.Main("consumer", "Stores activity logs from Kafka in ClickHouse, exactly once.", &s, s.run)
}

func (s *settings) run(ctx context.Context, p *service.Process) error {
	client, err := s.Kafka.Client()
	if err != nil {
		return err
	}
	opts, err := s.ClickHouse.Options()
	if err != nil {
		return err
	}
	conn, err := s.ClickHouse.Conn()
	if err != nil {
		return err
	}
	topics := kafka.Topics(s.Kafka, kafka.Creation{}, client, p.Log)
	tables := clickhouse.Tables(conn, p.Log)
	needs := consumer.Needs{Topic: s.Kafka.Topic, Brokers: s.Kafka.Brokers, Kafka: client, ClickHouse: opts, Tables: tables, Keys: s.Keys}
	parts := []service.Part{
		topics.Part(), {Name: "clickhouse", Stop: conn.Close}, tables.Part(), consumer.Part(s.Consumer, needs, p),
	}
	for _, part := range parts {
		if err := p.Start(ctx, part); err != nil {
			return err
		}
	}
	if _, err := p.Listen(ctx, s.HTTP, nil); err != nil {
		return err
	}
	return p.Wait(ctx)
}
