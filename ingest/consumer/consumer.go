// Package consumer reads the topic of entries and stores them in ClickHouse.
//
// It promises:
//   - Every entry is stored exactly once, in the order of its partition, and counted once in both rollups, whichever process is
//     killed at whichever moment.
//   - A delete removes every entry before it and none after it, and no replay brings one back.
//   - What cannot be stored is sent to dead letters, with the reason, and is never lost.
//   - What is committed to the consumer group is stored and visible.
//   - Nothing is stored from a log that the tables do not belong to: see package logs.
//
// It keeps no state of its own: the group's offsets say what is under way, ClickHouse what is stored.
//
// A batch is declared before it is stored, in the metadata of an offset commit, and is stored under a deduplication token made
// of its range of offsets. The next owner of the partition stores the same range under the same token, and ClickHouse drops
// what it has already.
//
// Offsets are absolute throughout. Code that calls Kafka converts them: see schema/kafka.Log.
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

	"github.com/activitylog/activitylog/ingest/consumer/internal/health"
	"github.com/activitylog/activitylog/ingest/consumer/internal/lease"
	"github.com/activitylog/activitylog/ingest/consumer/internal/nudge"
	"github.com/activitylog/activitylog/ingest/consumer/internal/pace"
	"github.com/activitylog/activitylog/ingest/consumer/internal/pool"
	"github.com/activitylog/activitylog/ingest/consumer/internal/sink"
	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
	"github.com/activitylog/activitylog/schema/logs"
)

// Config says what a Consumer reads and how it makes batches. Topic, Brokers and ClickHouse are required.
type Config struct {
	Topic      string
	Brokers    []string            // host:port, for the group's own connections
	ClickHouse *clickhouse.Options // over HTTP; only the first address is used

	SessionTimeout time.Duration // after it the group gives the partitions of a silent member to others
	MaxRows        int           // entries of a batch
	MaxBytes       int           // of a batch's records
	MemoryBytes    int           // for the records of all partitions together, two batches each; many partitions lower MaxBytes
	MaxAge         time.Duration // how long a record may wait for others to be stored with
	InsertTimeout  time.Duration // of one try of an insert
	DrainTimeout   time.Duration // how long Run may go on storing once its context has ended; no batch begins in its second half
	KeyWindow      time.Duration // how long an event key is remembered
	MaxKeys        int           // how many event keys are remembered, in each partition
}

// Defaults returns the configuration that applies where nothing else is set.
func Defaults() Config {
	return Config{
		Topic: "activity", SessionTimeout: 6 * time.Second,
		MaxRows: 180_000, MaxBytes: 32 << 20, MemoryBytes: 128 << 20, MaxAge: time.Second,
		InsertTimeout: time.Minute, DrainTimeout: 8 * time.Second,
		KeyWindow: schema.DefaultKeyWindow, MaxKeys: schema.DefaultMaxKeys,
	}
}

// maxBlockRows is the most rows of a block that still becomes one part: ClickHouse divides larger ones (max_insert_block_size).
const maxBlockRows = 1_048_449

// Validate returns everything that is wrong with c.
func (c Config) Validate() error {
	var all []error
	for _, v := range [...]struct {
		ok   bool
		what string
	}{
		{c.Topic != "", "topic is required"},
		{len(c.Brokers) > 0, "a Kafka broker is required"},
		{c.ClickHouse != nil && len(c.ClickHouse.Addr) > 0, "a ClickHouse address is required"},
		{c.ClickHouse == nil || c.ClickHouse.Protocol == clickhouse.HTTP, "the protocol of ClickHouse must be http or https"},
		{c.SessionTimeout >= time.Second, "the session timeout must be 1 s or more"},
		{c.MaxRows >= 1 && c.MaxRows <= maxBlockRows-maxRecordEntries, fmt.Sprintf("the rows of a batch must be 1 to %d", maxBlockRows-maxRecordEntries)},
		{c.MaxBytes >= 1<<10 && c.MaxBytes <= 200<<20, "the bytes of a batch must be 1 KiB to 200 MiB"},
		{c.MemoryBytes >= c.MaxBytes, "the memory for records must hold a batch"},
		{c.MaxAge > 0, "the greatest age of a batch must be above 0"},
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
	assemblies *pool.Pool[assembly]
	numbers    *lease.Numbers // for entries whose ids were given out before
	follower   *schemakafka.Follower
	pair       *logs.Pair // set by Run
	health     *health.Health
	watch      *watch
	nudges     *nudge.Watch
	fail       func(partition int, point string) error // a test's; nil otherwise
}

// assemblies bounds how many assembled batches are in memory.
const assemblies = 4

// longestRest bounds the pause after a small insert. On a busy machine an insert of a few rows takes 0.2 s. A pause of four times that for
// each partition would delay entries by seconds.
const longestRest = 300 * time.Millisecond

// savedRest is the most pause time that an idle consumer saves up: enough for about a hundred small inserts without a pause.
const savedRest = 10 * time.Second

// New wires a consumer from a valid configuration. It does not connect.
func New(cfg Config, client *kafka.Client, log *slog.Logger, reg prometheus.Registerer) *Consumer {
	m := newMetrics(reg)
	return &Consumer{
		cfg: cfg, group: schemakafka.Group(cfg.Topic), client: client, sink: sink.Open(cfg.ClickHouse), log: log, metrics: m,
		numbers: &lease.Numbers{Client: client, Topic: cfg.Topic}, follower: schemakafka.Follow(client, cfg.Topic),
		pacer: &pace.Pacer{Longest: min(cfg.MaxAge, longestRest), Saved: savedRest}, assemblies: pool.New[assembly](assemblies),
		health: health.New(log, m.alarms), watch: newWatch(), nudges: nudge.New(client, cfg.Topic, log),
	}
}

// Ready returns nil while this consumer is a member of the group and ClickHouse accepts its inserts. Otherwise it says what is
// unavailable.
func (c *Consumer) Ready(ctx context.Context) error {
	if err := c.health.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := c.sink.Ping(ctx); err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	return nil
}
