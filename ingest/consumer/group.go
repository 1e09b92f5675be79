package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/ingest/consumer/internal/health"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
	"github.com/activitylog/activitylog/schema/logs"
)

// Run joins the group and stays a member until ctx ends. It waits for Kafka, for the topic and for ClickHouse as long as necessary. When
// ctx ends it stores what its partitions hold at that moment, as far as the drain timeout allows, leaves the group, and returns nil.
func (c *Consumer) Run(ctx context.Context) error {
	defer c.sink.Close()
	opts := *c.cfg.ClickHouse
	opts.Addr = opts.Addr[:1] // the server that the inserts go to, so that reads see them
	conn, err := clickhouse.Open(&opts)
	if err != nil {
		return fmt.Errorf("consumer: open ClickHouse: %w", err)
	}
	defer conn.Close()
	c.conn = conn
	c.pair = &logs.Pair{Client: c.client, Topic: c.cfg.Topic, Conn: conn}
	defer c.follower.Close()
	var workers sync.WaitGroup
	defer workers.Wait()
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	workers.Go(func() { c.watchAge(watching) })
	workers.Go(func() { c.nudges.Run(watching) })
	if err := c.awaitTopic(ctx); err != nil {
		return nil //nolint:nilerr // ctx ended before anything was begun
	}
	source, err := c.awaitLog(ctx)
	if err != nil {
		return nil //nolint:nilerr // the same
	}
	checked := time.Now()
	group, err := kafka.NewConsumerGroup(c.groupConfig())
	if err != nil {
		return fmt.Errorf("consumer: join group %s: %w", c.group, err)
	}
	for ctx.Err() == nil {
		generation, err := group.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				c.health.Set(health.KafkaGroup, fmt.Errorf("join group %s: %w", c.group, err))
			}
			continue
		}
		c.health.Set(health.KafkaGroup, nil)
		if time.Since(checked) > lookEvery {
			source, err = c.awaitLog(ctx)
		}
		checked = time.Time{} // the next generation may begin because the log has changed
		if err == nil {
			c.start(ctx, generation, source, &workers)
		}
	}
	workers.Wait()
	c.health.Set(health.KafkaGroup, health.ErrStopped)
	if err := group.Close(); err != nil {
		return fmt.Errorf("consumer: leave group %s: %w", c.group, err)
	}
	return nil
}

func (c *Consumer) awaitTopic(ctx context.Context) error {
	return c.reachKafka(ctx, "look for the topic", func(ctx context.Context) error {
		_, err := schemakafka.Partitions(ctx, c.client, c.cfg.Topic)
		return err
	})
}

// awaitLog waits until Kafka's log is the one that the tables belong to, and returns it.
func (c *Consumer) awaitLog(ctx context.Context) (source *schemakafka.Log, err error) {
	wait := newBackOff()
	ages := unassigned{Consumer: c}
	defer ages.forget()
	for {
		// Tables of a version without log identities are searched for an entry that Kafka has: that takes a while if they are large.
		err = attempt(ctx, c.cfg.InsertTimeout, func(ctx context.Context) (err error) {
			source, err = c.pair.Check(ctx)
			return err
		})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c.health.Set(health.Log, withRemedy(err))
		if err == nil {
			return source, nil
		}
		ages.look(ctx)
		pause(ctx, wait.NextBackOff())
	}
}

// lookEvery is the pause between two looks at the log.
const lookEvery = 2 * time.Second

// watchLog returns when another log has replaced source, when source may no longer be read, or when ctx ends. changed is false only if ctx
// ended.
func (c *Consumer) watchLog(ctx context.Context, source *schemakafka.Log) (changed bool) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		var log *schemakafka.Log
		err := attempt(ctx, requestTimeout, func(ctx context.Context) (err error) {
			log, err = c.follower.Look(ctx)
			return err
		})
		switch {
		case schemakafka.IsLogError(err):
			c.health.Set(health.Log, err)
			return true
		case err == nil && !log.Same(source):
			c.log.InfoContext(ctx, "kafka log changed", slog.String("from", source.String()), slog.String("to", log.String()))
			return true
		}
	}
}

func (c *Consumer) groupConfig() kafka.ConsumerGroupConfig {
	return kafka.ConsumerGroupConfig{
		ID: c.group, Brokers: c.cfg.Brokers, Topics: []string{c.cfg.Topic}, Dialer: dialer(c.client),
		SessionTimeout: c.cfg.SessionTimeout, HeartbeatInterval: c.cfg.SessionTimeout / 4, RebalanceTimeout: c.cfg.SessionTimeout,
		JoinGroupBackoff: 300 * time.Millisecond, Timeout: min(5*time.Second, c.cfg.SessionTimeout/2), StartOffset: kafka.FirstOffset,
		WatchPartitionChanges: true, PartitionWatchInterval: 5 * time.Second,
	}
}

// dialer connects as the client does: kafka-go's group accepts no transport.
func dialer(client *kafka.Client) *kafka.Dialer {
	d := &kafka.Dialer{Timeout: time.Second, DualStack: true}
	if t, ok := client.Transport.(*kafka.Transport); ok {
		d.ClientID, d.TLS, d.SASLMechanism = t.ClientID, t.TLS, t.SASL
		if t.DialTimeout > 0 {
			d.Timeout = t.DialTimeout
		}
		if t.Dial != nil {
			d.DialFunc = t.Dial
		}
	}
	return d
}

// errFenced is the error of a commit that the group refused because it has moved on without this member.
var errFenced = errors.New("the group has another generation")

// commit commits offset to the group: everything before it is stored. Unless last is schemakafka.None, it also declares the batch [offset,
// last]. The error is errFenced if this member no longer owns the partition.
func (p *partition) commit(ctx context.Context, offset, last int64) error {
	own, ok := p.source.Offset(p.number, offset)
	if !ok {
		return fmt.Errorf("%w: offset %d is of an earlier log", errSource, offset)
	}
	metadata := p.state(last).Encode()
	return p.reachKafka(ctx, "commit", func(ctx context.Context) error {
		res, err := p.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
			GroupID: p.group, GenerationID: p.member.generation, MemberID: p.member.id,
			Topics: map[string][]kafka.OffsetCommit{p.cfg.Topic: {{Partition: p.number, Offset: own, Metadata: metadata}}},
		})
		if err != nil {
			return err
		}
		at := res.Topics[p.cfg.Topic]
		if len(at) != 1 {
			return kafka.UnknownTopicOrPartition
		}
		if isFenced(at[0].Error) {
			return fmt.Errorf("%w: commit %d: %w", errFenced, offset, at[0].Error)
		}
		return at[0].Error
	})
}

func isFenced(err error) bool {
	for _, e := range [...]kafka.Error{kafka.IllegalGeneration, kafka.UnknownMemberId, kafka.RebalanceInProgress, kafka.FencedInstanceID} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
