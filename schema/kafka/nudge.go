package kafka

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// Nudges returns the group that carries nudges. It has no members: its offsets are messages.
func Nudges(topic string) string { return topic + ".nudges" }

// NudgeEvery is how often a consumer looks for nudges while a batch waits for more records. More nudges than that are of no use.
const NudgeEvery = 10 * time.Millisecond

// Nudge asks the consumer to store the records of a partition that lie before an offset without waiting for more of them.
type Nudge struct {
	Before int64  // Kafka's own offset
	Nonce  string // tells two nudges with the same offset apart
}

// SendNudges nudges the consumer for partitions, up to Kafka's own offsets. What others have sent for these partitions may get lost if
// no consumer has read it before, so whoever still waits must send again.
func SendNudges(ctx context.Context, client *kafka.Client, topic string, before map[int]int64) error {
	nonce, commits := rand.Text(), make([]kafka.OffsetCommit, 0, len(before))
	for partition, offset := range before {
		commits = append(commits, kafka.OffsetCommit{Partition: partition, Offset: offset, Metadata: nonce})
	}
	res, err := client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: Nudges(topic), GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{topic: commits},
	})
	if err != nil {
		return fmt.Errorf("nudge the consumer: %w", err)
	}
	for _, at := range res.Topics[topic] {
		if at.Error != nil {
			return fmt.Errorf("nudge the consumer for partition %d: %w", at.Partition, at.Error)
		}
	}
	return nil
}

// ReadNudges returns the last nudge of each partition that has had one.
func ReadNudges(ctx context.Context, client *kafka.Client, topic string, partitions []int) (map[int]Nudge, error) {
	res, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: Nudges(topic), Topics: map[string][]int{topic: partitions}})
	if err == nil {
		err = res.Error
	}
	if errors.Is(err, kafka.GroupIdNotFound) { // from the embedded broker; Kafka says -1 of each partition
		return nil, nil //nolint:nilnil // nobody has sent one yet
	}
	if err != nil {
		return nil, fmt.Errorf("read nudges: %w", err)
	}
	all := map[int]Nudge{}
	for _, at := range res.Topics[topic] {
		if at.Error != nil {
			return nil, fmt.Errorf("read nudges for partition %d: %w", at.Partition, at.Error)
		}
		if at.CommittedOffset >= 0 {
			all[at.Partition] = Nudge{at.CommittedOffset, at.Metadata}
		}
	}
	return all, nil
}
