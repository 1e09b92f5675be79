package consumer

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/ingest/consumer/internal/health"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// watch measures how long the oldest record of each partition has waited to be stored.
type watch struct {
	every time.Duration

	mu      sync.Mutex
	waiting map[*partition]*atomic.Int64 // Unix ms of the oldest record; 0 if none waits
}

func newWatch() *watch {
	return &watch{every: 5 * time.Second, waiting: map[*partition]*atomic.Int64{}}
}

func (w *watch) add(p *partition) *atomic.Int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[p] = new(atomic.Int64)
	return w.waiting[p]
}

func (w *watch) remove(p *partition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting, p)
}

// oldest updates the metric of each partition's age, and returns the greatest age.
func (w *watch) oldest(now time.Time) (greatest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p, since := range w.waiting {
		age := time.Duration(0)
		if at := since.Load(); at > 0 {
			age = max(0, now.Sub(time.UnixMilli(at)))
		}
		p.metric.age.Set(age.Seconds())
		greatest = max(greatest, age)
	}
	return greatest
}

// watchAge makes the consumer not ready while a record has waited for more than half of the time that Kafka keeps it.
func (c *Consumer) watchAge(ctx context.Context) {
	tick := time.NewTicker(c.watch.every)
	defer tick.Stop()
	var retention time.Duration
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		age := c.watch.oldest(time.Now())
		if age > time.Minute && retention == 0 {
			retention = c.retention(ctx)
		}
		if retention > 0 && age > retention/2 {
			c.health.Set(health.Retention, fmt.Errorf("a record has waited for %v, the log keeps it for %v", age.Round(time.Second), retention))
		} else {
			c.health.Set(health.Retention, nil)
		}
	}
}

// retention is how long Kafka keeps a record; 0 if that is unknown or without limit.
func (c *Consumer) retention(ctx context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	res, err := c.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: c.cfg.Topic, ConfigNames: []string{"retention.ms"},
	}}})
	if err != nil {
		return 0
	}
	for _, r := range res.Resources {
		for _, e := range r.ConfigEntries {
			if ms, err := strconv.ParseInt(e.ConfigValue, 10, 64); err == nil && e.ConfigName == "retention.ms" && ms > 0 {
				return time.Duration(ms) * time.Millisecond
			}
		}
	}
	return 0
}

// unassigned tells the watch how long the first record of each partition has waited while nothing can be stored, because the log is refused
// or ClickHouse is unavailable: Kafka does not keep records for ever.
type unassigned struct {
	*Consumer
	partitions []*partition
}

// look measures once; after an error the next call tries again.
func (u *unassigned) look(ctx context.Context) {
	if len(u.partitions) > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	n, err := schemakafka.Partitions(ctx, u.client, u.cfg.Topic)
	if err != nil {
		return
	}
	asked := make([]int, n)
	for i := range asked {
		asked[i] = i
	}
	res, err := u.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: u.group, Topics: map[string][]int{u.cfg.Topic: asked}})
	if err != nil {
		return
	}
	committed := make([]int64, n)
	for _, at := range res.Topics[u.cfg.Topic] {
		committed[at.Partition] = at.CommittedOffset
	}
	for i := range n {
		p := u.partition(i, member{}, n, &schemakafka.Log{Epochs: []schemakafka.Epoch{{}}}) // Kafka's own offsets
		p.since, p.next = u.watch.add(p), max(0, committed[i])
		p.peek(ctx)
		u.partitions = append(u.partitions, p)
	}
}

func (u *unassigned) forget() {
	for _, p := range u.partitions {
		u.watch.remove(p)
		p.metric.remove()
	}
}
