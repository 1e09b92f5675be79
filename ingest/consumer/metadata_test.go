//go:build kafka

package consumer

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Kafka accepts metadata up to the limit, and not a byte more.
func TestKafkaTakesNoMoreMetadata(t *testing.T) {
	b := newBed(t, 1)
	b.await("the group's coordinator", func() error { return b.commitMetadata(strings.Repeat("x", maxMetadata)) })
	if err := b.commitMetadata(strings.Repeat("x", maxMetadata+1)); !errors.Is(err, kafka.OffsetMetadataTooLarge) {
		t.Errorf("got %v, want %v", err, kafka.OffsetMetadataTooLarge)
	}
}

// commitMetadata commits the metadata from outside, while the group has no member.
func (b *bed) commitMetadata(metadata string) error {
	res, err := b.client.OffsetCommit(b.t.Context(), &kafka.OffsetCommitRequest{
		GroupID: schemakafka.Group(b.broker.Topic()), GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{b.broker.Topic(): {{Metadata: metadata}}},
	})
	if err != nil {
		return fmt.Errorf("commit %d bytes of metadata: %w", len(metadata), err)
	}
	return res.Topics[b.broker.Topic()][0].Error
}
