// Command standalone runs the three services in one process, with an embedded Kafka broker and an embedded ClickHouse engine. It uses
// the same constructors, protocols and statements as the services; only the addresses differ. With --only it runs only the
// dependencies.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/collector"
	"github.com/activitylog/activitylog/cmd/internal/consumer"
	"github.com/activitylog/activitylog/cmd/internal/dialect"
	"github.com/activitylog/activitylog/cmd/internal/home"
	"github.com/activitylog/activitylog/cmd/internal/idempotency"
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
	HTTP      service.HTTP       `embed:""`
	Auth      identity.Config    `embed:""`
	DataDir   string             `help:"Folder for all data." env:"DATA_DIR"`
	Only      []string           `help:"Run only these dependencies and no service: broker, engine." enum:"broker,engine" env:"ONLY"`
	Broker    brokerConfig       `embed:""`
	Engine    engineConfig       `embed:""`
	Topic     string             `name:"kafka-topic" help:"Topic of the entries; the names of the other topics begin with it." env:"KAFKA_TOPIC"`
	Creation  kafka.Creation     `embed:""`
	Collector collector.Config   `embed:""`
	Consumer  consumer.Config    `embed:""`
	Query     query.Config       `embed:""`
	Keys      idempotency.Config `embed:""`
	Dialects  dialect.Config     `embed:""`
}

// Defaults sets every setting to its default. All services share one machine, so topics have fewer partitions and a shorter retention.
func (c *config) Defaults() {
	var k kafka.Config
	k.Defaults()
	c.HTTP.Defaults()
	c.HTTP.Addr = "127.0.0.1:50809"
	c.Auth.Defaults()
	c.DataDir, c.Topic = "./data", k.Topic
	c.Broker.Defaults()
	c.Creation = kafka.Creation{Create: true, Partitions: 2, Retention: 24 * time.Hour}
	c.Collector.Defaults()
	c.Consumer.Defaults()
	c.Query.Defaults()
	c.Keys.Defaults()
}

// Validate returns everything that is wrong with c.
func (c *config) Validate() error {
	var k kafka.Config
	k.Defaults()
	k.Topic = c.Topic
	faults := []error{
		c.HTTP.Validate(), c.Auth.Validate(c.HTTP.Addr), c.Broker.validate(), c.Engine.validate(), k.Validate(), c.Creation.Validate(),
		c.Collector.Validate(), c.Consumer.Validate(), c.Query.Validate(), c.Keys.Validate(),
	}
	if c.DataDir == "" {
		faults = append(faults, errors.New("DATA_DIR: is required"))
	}
	for _, listen := range [][2]string{{"BROKER_ADDR", c.Broker.Addr}, {"ENGINE_ADDR", c.Engine.Addr}} {
		if listen[1] == "" {
			continue
		}
		if err := service.CheckAddr(listen[0], listen[1]); err != nil {
			faults = append(faults, err)
		} else if !c.Auth.Insecure && !service.Loopback(listen[1]) {
			faults = append(faults, fmt.Errorf("%s: %s can be reached from other hosts, unencrypted: use a loopback address, or set INSECURE=true", listen[0], listen[1]))
		}
	}
	return errors.Join(faults...)
}

// queryAddr is where the query service listens by default.
const queryAddr = "127.0.0.1:8083"

// runs reports whether the dependency runs in this process.
func (c *config) runs(dependency string) bool {
	return len(c.Only) == 0 || slices.Contains(c.Only, dependency)
}

func main() {
	var c config
	service.Main("standalone", "Runs the whole of activitylog in one process, with its data in one folder.", &c, c.run)
}

func (c *config) run(ctx context.Context, p *service.Process) error {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	var links links
	if c.runs("broker") {
		if err := c.startBroker(ctx, p, &links); err != nil {
			return err
		}
	}
	if c.runs("engine") {
		if err := c.startEngine(ctx, p, &links); err != nil {
			return err
		}
	}
	var authenticate service.Middleware // nil with --only: there are no routes
	if len(c.Only) == 0 {
		auth, err := c.startServices(ctx, p, &links)
		if err != nil {
			return err
		}
		authenticate, p.CORS = auth.Middleware, auth.CORS
	}
	addr, err := p.Listen(ctx, c.HTTP, authenticate)
	if err != nil {
		return err
	}
	if len(c.Only) > 0 {
		if err := c.writeServices(&links, queryAddr); err != nil {
			return err
		}
		c.printDependencies(&links, addr)
		return p.Wait(ctx)
	}
	if err := c.writeServices(&links, addr); err != nil {
		return err
	}
	if p.AwaitReady(ctx) {
		p.Log.Info("ready")
		c.printWelcome(&links, addr)
	}
	return p.Wait(ctx)
}

// startServices starts the parts of the three services with the same constructors as their own processes. It starts the collector
// last, so that parts stop in data order: collector, consumer, query. It returns the identity that authenticates requests.
func (c *config) startServices(ctx context.Context, p *service.Process, l *links) (*identity.Identity, error) {
	client, err := l.kafka.Client()
	if err != nil {
		return nil, err
	}
	opts, err := l.clickhouse.Options()
	if err != nil {
		return nil, err
	}
	conn, err := l.clickhouse.Conn()
	if err != nil {
		return nil, err
	}
	topics := kafka.Topics(l.kafka, c.Creation, client, p.Log)
	before := topics.Part()
	if c.Creation.Create { // the broker runs in this process: create the topics now
		before.Start = func(ctx context.Context) error { return kafka.Ensure(ctx, l.kafka, c.Creation, client) }
	}
	auth := identity.New(c.Auth, apikey.Topic{Client: client, Name: schemakafka.Keys(c.Topic)}, p.Log, p.Metrics)
	tables := clickhouse.Tables(conn, p.Log)
	reads := query.Needs{Topic: c.Topic, Kafka: client, Conn: conn, Tables: tables, Dialects: c.Dialects}
	store := consumer.Needs{Topic: c.Topic, Brokers: l.kafka.Brokers, Kafka: client, ClickHouse: opts, Tables: tables, Keys: c.Keys}
	writes := collector.Needs{Topic: c.Topic, Kafka: client, Dialects: c.Dialects, Keys: c.Keys}
	for _, part := range []service.Part{
		before,
		{Name: "clickhouse", Stop: conn.Close},
		tables.Part(),
		auth.Part(),
		query.Part(c.Query, reads, p), consumer.Part(c.Consumer, store, p), collector.Part(c.Collector, writes, p),
		home.Part(home.Config{Auth: c.Auth, EnvFile: "data/" + servicesFile}),
	} {
		if err := p.Start(ctx, part); err != nil {
			return nil, err
		}
	}
	return auth, nil
}
