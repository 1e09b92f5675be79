// Package kafka is what services share about Kafka: the names of the topics and of the consumer group, how to create the topics
// that are missing, and how to read one.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// Group returns the consumer group whose committed offsets say what has been stored. Readers wait on them.
func Group(topic string) string { return topic + ".store" }

// IDs returns the topic whose offsets are blocks of entry ids. It must never be recreated: ids would be assigned a second time.
func IDs(topic string) string { return topic + ".ids" }

// Dead returns the topic of dead letters: records that could not be stored.
func Dead(topic string) string { return topic + ".dead" }

// Keys returns the topic of API keys, by their id. The last record of a key counts.
func Keys(topic string) string { return topic + ".keys" }

// Actions returns the topic of action codes: a name's code is the offset of its first record. It must never be compacted or recreated,
// because callers keep the codes.
func Actions(topic string) string { return topic + ".actions" }

// Spec says how to create a topic.
type Spec struct {
	Name       string
	Partitions int
	Retention  time.Duration // -1: without limit
	Compact    bool          // only the last record of each key must be kept
}

// Topics returns all topics of an installation. partitions and retention are those of the topic of entries.
func Topics(topic string, partitions int, retention time.Duration) []Spec {
	return []Spec{
		{Name: topic, Partitions: partitions, Retention: retention},
		{Name: IDs(topic), Partitions: 1, Retention: -1},
		{Name: Dead(topic), Partitions: 1, Retention: 30 * 24 * time.Hour},
		{Name: Keys(topic), Partitions: 1, Retention: -1, Compact: true},
		{Name: Actions(topic), Partitions: 1, Retention: -1},
		{Name: LogTopic(topic), Partitions: 1, Retention: -1},
	}
}

// Create creates the topics that are missing and leaves the others as they are. With three brokers or more a topic gets three
// replicas, of which two must have a record before it is acknowledged. With fewer brokers it gets the cluster's default
// (default.replication.factor): if that is three, the cluster refuses to create a topic while a broker is unavailable.
func Create(ctx context.Context, client *kafka.Client, specs []Spec) error {
	replicas, err := replication(ctx, client)
	if err != nil {
		return err
	}
	req := &kafka.CreateTopicsRequest{}
	for _, s := range specs {
		req.Topics = append(req.Topics, kafka.TopicConfig{
			Topic: s.Name, NumPartitions: s.Partitions, ReplicationFactor: replicas, ConfigEntries: s.entries(replicas),
		})
	}
	res, err := client.CreateTopics(ctx, req)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	for name, err := range res.Errors {
		if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", name, err)
		}
	}
	return nil
}

func (s Spec) entries(replicas int) []kafka.ConfigEntry {
	ms := "-1"
	if s.Retention >= 0 {
		ms = strconv.FormatInt(s.Retention.Milliseconds(), 10)
	}
	policy := "delete"
	if s.Compact {
		policy = "compact"
	}
	entries := []kafka.ConfigEntry{
		{ConfigName: "cleanup.policy", ConfigValue: policy},
		{ConfigName: "retention.ms", ConfigValue: ms},
	}
	if replicas >= 3 {
		entries = append(entries, kafka.ConfigEntry{ConfigName: "min.insync.replicas", ConfigValue: "2"})
	}
	return entries
}

// clusterDefault leaves the number of replicas to the cluster (KIP-464).
const clusterDefault = -1

func replication(ctx context.Context, client *kafka.Client) (int, error) {
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return 0, fmt.Errorf("list brokers: %w", err)
	}
	if len(meta.Brokers) >= 3 {
		return 3, nil
	}
	return clusterDefault, nil
}

// Partitions returns the number of partitions of topic. The error is kafka.UnknownTopicOrPartition if the topic does not exist.
func Partitions(ctx context.Context, client *kafka.Client, topic string) (int, error) {
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, fmt.Errorf("look up topic %s: %w", topic, err)
	}
	for _, t := range meta.Topics {
		if t.Name == topic && t.Error == nil && len(t.Partitions) > 0 {
			return len(t.Partitions), nil
		}
		if t.Name == topic && t.Error != nil {
			return 0, fmt.Errorf("look up topic %s: %w", topic, t.Error)
		}
	}
	return 0, fmt.Errorf("look up topic %s: %w", topic, kafka.UnknownTopicOrPartition)
}
