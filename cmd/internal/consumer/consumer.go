// Package consumer wires the consumer, in the same way for its own process and for standalone.
package consumer

import (
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/internal/idempotency"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/ingest/consumer"
)

// drainTime is for storing what was accepted before the process was told to end. In standalone, requests in flight take up to 4 of
// the 9 s before it.
const drainTime = 4 * time.Second

// Config has the settings for the consumer's batches.
type Config struct {
	SessionTimeout time.Duration `help:"How long a consumer may be silent before another takes over its partitions." env:"SESSION_TIMEOUT"`
	BatchRows      int           `help:"Most entries in an insert." env:"BATCH_ROWS"`
	BatchAge       time.Duration `help:"How long an entry may wait for its batch to fill." env:"BATCH_AGE"`
	BatchMemory    int           `help:"Most bytes of records in memory, of all partitions together; each may hold two batches." env:"BATCH_MEMORY"`
	InsertTimeout  time.Duration `help:"Timeout of one attempt to insert a batch." env:"INSERT_TIMEOUT"`
}

// Needs has the parts of the process that the consumer uses.
type Needs struct {
	Topic      string
	Brokers    []string
	Kafka      *kafka.Client
	ClickHouse *clickhouse.Options
	Tables     *service.Await
	Keys       idempotency.Config
}

func (s Config) config(n Needs) consumer.Config {
	c := consumer.Defaults()
	c.Topic, c.Brokers, c.ClickHouse = n.Topic, n.Brokers, n.ClickHouse
	c.SessionTimeout, c.MaxRows, c.MaxAge = s.SessionTimeout, s.BatchRows, s.BatchAge
	c.MemoryBytes, c.MaxBytes = s.BatchMemory, min(c.MaxBytes, s.BatchMemory)
	c.KeyWindow, c.MaxKeys = n.Keys.Window, n.Keys.Max
	c.InsertTimeout, c.DrainTimeout = s.InsertTimeout, drainTime
	return c
}

// Defaults returns the consumer's defaults.
func (s *Config) Defaults() {
	d := consumer.Defaults()
	s.SessionTimeout, s.BatchRows, s.BatchAge = d.SessionTimeout, d.MaxRows, d.MaxAge
	s.BatchMemory, s.InsertTimeout = d.MemoryBytes, d.InsertTimeout
}

// Validate returns everything that is wrong with s.
func (s Config) Validate() error {
	anywhere := &clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{"127.0.0.1:8123"}}
	needs := Needs{Topic: "activity", Brokers: []string{"127.0.0.1:9092"}, ClickHouse: anywhere}
	var defaults Config
	defaults.Defaults()
	return service.Named(s, defaults, func(s Config) error { return s.config(needs).Validate() })
}

// Part returns the consumer. It joins its group as soon as the tables are there.
func Part(s Config, n Needs, p *service.Process) service.Part {
	c := consumer.New(s.config(n), n.Kafka, p.Log, p.Metrics)
	return service.Part{Name: "consumer", Run: n.Tables.After(c.Run), Ready: c.Ready}
}
