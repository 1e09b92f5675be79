package kafka

import (
	"context"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// PartitionsNow returns the current number from a broker. kafka-go answers requests for metadata from a cache that is some seconds old.
func PartitionsNow(ctx context.Context, client *kafka.Client, topic string) (int, error) {
	transport := client.Transport
	if transport == nil {
		transport = kafka.DefaultTransport
	}
	var res kafka.Response
	err := overDeadConnections(ctx, func() (err error) {
		res, err = transport.RoundTrip(ctx, client.Addr, &topicRequest{topic})
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("look up topic %s: %w", topic, err)
	}
	for _, t := range res.(*topicResponse).Topics {
		if t.Name == topic && t.ErrorCode == 0 && len(t.Partitions) > 0 {
			return len(t.Partitions), nil
		}
		if t.ErrorCode != 0 {
			return 0, fmt.Errorf("look up topic %s: %w", topic, kafka.Error(t.ErrorCode))
		}
	}
	return 0, fmt.Errorf("look up topic %s: %w", topic, kafka.UnknownTopicOrPartition)
}

// topicVersion is the first version of the request that does not create the topic.
const topicVersion = 4

// topicRequest asks a broker for the metadata of a topic, as idRequest does.
type topicRequest struct{ name string }

func (*topicRequest) ApiKey() protocol.ApiKey { return protocol.Metadata } //nolint:revive // the interface's name

// topicResponse prevents kafka-go from treating the response as one of its own.
type topicResponse struct{ *metadata.Response }

// Required says that the message is never written by kafka-go.
func (*topicRequest) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange writes the request and reads its response.
func (r *topicRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	req := &metadata.Request{TopicNames: []string{r.name}}
	if err := protocol.WriteRequest(rw, topicVersion, 1, clientID, req); err != nil {
		return nil, fmt.Errorf("ask for a topic: %w", err)
	}
	_, res, err := protocol.ReadResponse(rw, protocol.Metadata, topicVersion)
	if err != nil {
		return nil, fmt.Errorf("read of a topic: %w", err)
	}
	return &topicResponse{res.(*metadata.Response)}, nil
}
