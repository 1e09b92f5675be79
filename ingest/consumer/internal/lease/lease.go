// Package lease gives the consumer new ids, for entries whose ids were already assigned to other entries.
package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Numbers hands out ids, each once. It takes a block from the topic of leases when it is first asked.
type Numbers struct {
	Client *kafka.Client
	Topic  string // of the entries

	mu   sync.Mutex // guards what follows
	log  *schemakafka.Log
	next uint64
	end  uint64
}

// Next returns an id that is assigned to nothing else in the log.
func (n *Numbers) Next(ctx context.Context, log *schemakafka.Log) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.log == nil || n.log.ID != log.ID || n.next == n.end {
		block, err := n.lease(ctx, log)
		if err != nil {
			return 0, err
		}
		n.log, n.next, n.end = log, block*schema.IDBlock, (block+1)*schema.IDBlock
		n.next = max(n.next, 1) // 0 stands for no id
	}
	n.next++
	return n.next - 1, nil
}

func (n *Numbers) lease(ctx context.Context, log *schemakafka.Log) (block uint64, err error) {
	topic := schemakafka.IDs(n.Topic)
	res, err := n.Client.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Value: kafka.NewBytes([]byte{1})}),
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return 0, fmt.Errorf("lease a block of ids: %w", err)
	}
	ids, err := schemakafka.TopicIDs(ctx, n.Client, topic)
	if err != nil {
		return 0, err
	}
	if missing := log.Missing(ids, topic); missing != "" {
		return 0, errors.New("lease a block of ids: " + missing)
	}
	return log.FirstBlock + uint64(res.BaseOffset), nil
}
