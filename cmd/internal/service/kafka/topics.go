package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/internal/service"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Creation says whether and how missing topics are created.
type Creation struct {
	Create     bool          `name:"create-topics" help:"Create missing topics." env:"CREATE_TOPICS" negatable:""`
	Partitions int           `help:"Partitions of the topic of the entries, when it is created." env:"PARTITIONS"`
	Retention  time.Duration `name:"kafka-retention" help:"How long Kafka keeps entries; applied when their topic is created." env:"KAFKA_RETENTION"`
}

// Defaults creates no topics.
func (c *Creation) Defaults() { c.Partitions, c.Retention = 4, 7*24*time.Hour }

// Validate returns everything that is wrong with c.
func (c Creation) Validate() error {
	var faults []error
	if c.Partitions < 1 || c.Partitions > 4096 {
		faults = append(faults, errors.New("PARTITIONS: must be from 1 to 4096"))
	}
	if c.Retention < time.Hour {
		faults = append(faults, errors.New("KAFKA_RETENTION: must be 1h or more, the time in which entries have to be stored"))
	}
	return errors.Join(faults...)
}

// Topics returns the part of a process that creates missing topics, if it may, or waits until they exist.
func Topics(s Config, c Creation, client *kafka.Client, log *slog.Logger) *service.Await {
	return service.NewAwait(service.Dependency{
		Name: "topics", Waiting: "waiting for kafka", Ready: "kafka ready",
		Try: func(ctx context.Context) error { return Ensure(ctx, s, c, client) },
	}, log)
}

// Ensure creates missing topics, if it may, and gives new ones their identity. Its error names the first topic that is still
// missing.
func Ensure(ctx context.Context, s Config, c Creation, client *kafka.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	specs := schemakafka.Topics(s.Topic, c.Partitions, c.Retention)
	if c.Create {
		if err := schemakafka.Create(ctx, client, specs); err != nil {
			return fmt.Errorf("kafka: %w", err)
		}
	}
	for _, spec := range specs {
		_, err := schemakafka.Partitions(ctx, client, spec.Name)
		if errors.Is(err, kafka.UnknownTopicOrPartition) {
			return fmt.Errorf("kafka has no topic %s (activityctl topics creates it, and so does a service with CREATE_TOPICS=true): %w", spec.Name, err)
		}
		if err != nil {
			return fmt.Errorf("kafka: %w", err)
		}
	}
	for {
		_, err := schemakafka.BeginLog(ctx, client, s.Topic)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, kafka.NotLeaderForPartition) && !errors.Is(err, kafka.LeaderNotAvailable) || ctx.Err() != nil:
			return fmt.Errorf("kafka: %w", err)
		}
		select { // Apache Kafka elects leaders of new topics for a moment
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}
