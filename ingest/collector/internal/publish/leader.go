package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Times of requests to a broker.
const (
	quietAfter     = 10 * time.Millisecond // a broker that has been silent for so long is probed before it gets a batch
	produceTimeout = 10 * time.Second
	probeTimeout   = time.Second
	deadConns      = 8 // idle connections that may be broken before a new one is opened
)

// errNoAnswer means that the broker did not answer a probe, so nothing was sent to it.
var errNoAnswer = errors.New("broker does not answer")

// errNotSent means that nothing was sent, because the log may have been replaced.
var errNotSent = errors.New("not sent")

// leader is the broker that leads a partition. Only one goroutine may call produce and probe.
type leader struct {
	client    *kafka.Client
	topic     string
	partition int
	answered  time.Time // when it last answered without an error
}

// produce writes records and returns the offset of the first one when all in-sync replicas have them.
func (l *leader) produce(ctx context.Context, records kafka.RecordReader) (base int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	// A request on a dead idle connection seems to be sent, and its outcome stays unknown. So a broker that has been silent is probed
	// first, with a request that changes nothing.
	if time.Since(l.answered) > quietAfter {
		if err := l.probe(ctx); err != nil {
			return 0, err
		}
	}
	res, err := l.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: l.topic, Partition: l.partition, RequiredAcks: kafka.RequireAll, Records: records,
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		l.answered = time.Time{}
		return 0, fmt.Errorf("write to partition %d: %w", l.partition, err)
	}
	l.answered = time.Now()
	return res.BaseOffset, nil
}

// probe checks that the leader answers. It tries several connections, because idle ones may be broken.
func (l *leader) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var err error
	for range deadConns {
		if err = l.listOffsets(ctx); err == nil {
			l.answered = time.Now()
			return nil
		}
		if ctx.Err() != nil || classify(err) != unknown {
			break
		}
	}
	return fmt.Errorf("%w: partition %d: %w", errNoAnswer, l.partition, err)
}

// listOffsets sends a request that changes nothing and that only the leader answers.
func (l *leader) listOffsets(ctx context.Context) error {
	res, err := l.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{l.topic: {kafka.LastOffsetOf(l.partition)}},
	})
	if err != nil {
		return fmt.Errorf("list offsets: %w", err)
	}
	for _, o := range res.Topics[l.topic] {
		if o.Error != nil {
			return fmt.Errorf("list offsets: %w", o.Error)
		}
	}
	return nil
}

// verdict says whether the records of a failed produce request were written.
type verdict uint8

const (
	stored    verdict = iota
	notStored         // certainly not in the log
	diskFull          // certainly not in the log, because the broker's disk is full
	oversize          // certainly not in the log, and too large to be stored as one batch
	unknown           // perhaps in the log
)

// classify reads the error of a produce request. Error codes: https://kafka.apache.org/protocol#protocol_error_codes.
func classify(err error) verdict {
	var (
		code kafka.Error
		op   *net.OpError
	)
	switch {
	case err == nil:
		return stored
	case errors.Is(err, errNoAnswer), errors.Is(err, errNotSent), errors.As(err, &op) && op.Op == "dial",
		errors.Is(err, protocol.ErrNoTopic), errors.Is(err, protocol.ErrNoPartition), errors.Is(err, protocol.ErrNoLeader):
		return notStored
	case !errors.As(err, &code):
		return unknown // a broken connection, or no answer in time
	}
	switch code {
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge:
		return oversize
	case kafka.KafkaStorageError:
		return diskFull
	case kafka.Unknown, kafka.RequestTimedOut, kafka.NotEnoughReplicasAfterAppend, kafka.NetworkException:
		return unknown
	}
	return notStored // refused before it was appended: not the leader, too few replicas, not allowed, …
}

// reason returns the error that refuses new writes after a verdict.
func (v verdict) reason() error {
	if v == diskFull {
		return errDiskFull
	}
	return errUnavailable
}
