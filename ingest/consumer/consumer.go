// Package consumer stores in ClickHouse what the topic of entries holds.
//
// It promises that every entry of the log is stored exactly once, in the order of its partition, with both rollups counting
// it once, whatever is killed at whatever moment; that a delete removes every entry before it and nothing after it, and that
// no replay brings one back; that what cannot be stored is put aside, with the reason, and never lost. What is committed to
// the group is stored and visible. It keeps nothing of its own: Kafka's group holds what is under way, ClickHouse what is done.
//
// A batch is declared before it is stored, in the metadata of an offset commit, and is stored under a token made of its
// range. Whoever owns the partition next takes the same range under the same token, so that ClickHouse drops what it has.
package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/ingest/consumer/internal/pace"
	"github.com/activitylog/activitylog/ingest/consumer/internal/sink"
	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Config says what a Consumer reads and how it batches. Topic, Brokers and ClickHouse are required.
type Config struct {
	Topic      string
	Brokers    []string            // host:port, for the group's own connections
	ClickHouse *clickhouse.Options // over HTTP; of several addresses the first is used

	SessionTimeout time.Duration // after which the group gives a silent member's partitions to others
	MaxRows        int           // of a batch
	MaxBytes       int           // of a batch's records
	MemoryBytes    int           // for records of all partitions together, two batches each; lowers MaxBytes where there are many
	MaxAge         time.Duration // the longest that a record waits for others to be stored with
	InsertTimeout  time.Duration // of one try
	DrainTimeout   time.Duration // the longest that a batch under way may take once Run's context has ended
	KeyWindow      time.Duration // how long an event key is remembered
	MaxKeys        int           // how many are, in each partition
}

// Defaults are what a Consumer does when it is told nothing.
func Defaults() Config {
	return Config{
		Topic: "activity", SessionTimeout: 6 * time.Second,
		MaxRows: 180_000, MaxBytes: 32 << 20, MemoryBytes: 128 << 20, MaxAge: time.Second,
		InsertTimeout: time.Minute, DrainTimeout: 8 * time.Second,
		KeyWindow: schema.DefaultKeyWindow, MaxKeys: schema.DefaultMaxKeys,
	}
}

// maxBlockRows is what a block may hold and still become one part: ClickHouse cuts larger ones (max_insert_block_size).
const maxBlockRows = 1_048_449

// Validate says everything that is wrong with c.
func (c Config) Validate() error {
	var all []error
	for _, v := range [...]struct {
		ok   bool
		what string
	}{
		{c.Topic != "", "topic is required"},
		{len(c.Brokers) > 0, "a Kafka broker is required"},
		{c.ClickHouse != nil && len(c.ClickHouse.Addr) > 0, "a ClickHouse address is required"},
		{c.ClickHouse == nil || c.ClickHouse.Protocol == clickhouse.HTTP, "ClickHouse is spoken to over http or https"},
		{c.SessionTimeout >= time.Second, "the session timeout must be 1 s or more"},
		{c.MaxRows >= 1 && c.MaxRows <= maxBlockRows-maxRecordRows, fmt.Sprintf("the rows of a batch must be 1 to %d", maxBlockRows-maxRecordRows)},
		{c.MaxBytes >= 1<<10 && c.MaxBytes <= 200<<20, "the bytes of a batch must be 1 KiB to 200 MiB"},
		{c.MemoryBytes >= c.MaxBytes, "the memory for records must hold a batch"},
		{c.MaxAge > 0, "the longest wait must be above 0"},
		{c.InsertTimeout > 0, "the insert timeout must be above 0"},
		{c.DrainTimeout > 0, "the drain timeout must be above 0"},
		{c.KeyWindow >= 0 && c.MaxKeys >= 0, "the window of event keys must not be negative"},
	} {
		if !v.ok {
			all = append(all, errors.New(v.what))
		}
	}
	return errors.Join(all...)
}

// Consumer is one member of the group. Run it once.
type Consumer struct {
	cfg        Config
	group      string
	client     *kafka.Client
	conn       driver.Conn
	sink       *sink.Sink
	log        *slog.Logger
	metrics    *metrics
	pacer      *pace.Pacer
	assemblies *pool
	health     *health
	watch      *watch
	fail       func(partition int, point string) error // a test's; nil otherwise
}

// longestRest bounds the pause after a small insert: on a machine that is busy with other things an insert of a few rows takes
// 0.2 s, and four times that for each partition would keep entries from their readers for seconds.
const longestRest = 300 * time.Millisecond

// New wires a consumer from a valid configuration. It connects to nothing.
func New(cfg Config, client *kafka.Client, log *slog.Logger, reg prometheus.Registerer) *Consumer {
	m := newMetrics(reg)
	return &Consumer{
		cfg: cfg, group: schemakafka.Group(cfg.Topic), client: client, sink: sink.Open(cfg.ClickHouse), log: log, metrics: m,
		pacer: &pace.Pacer{Longest: min(cfg.MaxAge, longestRest)}, assemblies: newPool(4), health: newHealth(log, m.alarms), watch: newWatch(),
	}
}

// Ready is nil while the group has this consumer as a member and ClickHouse takes its inserts; else it says what is away.
func (c *Consumer) Ready(ctx context.Context) error {
	if err := c.health.err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := c.sink.Ping(ctx); err != nil {
		return fmt.Errorf("ClickHouse: %w", err)
	}
	return nil
}
