package consumer

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/segmentio/kafka-go"

	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// ageOf returns the metric of how long partition 0 has waited.
func (c *Consumer) ageOf(t *testing.T) time.Duration {
	t.Helper()
	var m dto.Metric
	if err := c.metrics.age.WithLabelValues("0").Write(&m); err != nil {
		t.Fatal(err)
	}
	return time.Duration(m.GetGauge().GetValue() * float64(time.Second))
}

// topic returns the name of the topic of entries.
func (b *bed) topic() (topic string) {
	_, stop := b.consumer(func(c *Consumer) { topic = c.cfg.Topic })
	stop()
	return topic
}

// appendedAgo writes a record whose time is that long ago, and expects its entries to be stored.
func (b *bed) appendedAgo(topic string, age time.Duration) {
	b.t.Helper()
	value, first, entries := b.value("default", 2)
	b.await("the record to be taken", func() error {
		res, err := b.client.Produce(b.t.Context(), &kafka.ProduceRequest{
			Topic: topic, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{Time: time.Now().Add(-age), Value: kafka.NewBytes(value)}),
		})
		if err != nil {
			return err
		}
		return res.Error
	})
	for i, e := range entries {
		b.want[first+uint64(i)] = sent{tenant: "default", timestamp: e.Timestamp}
	}
}

// TestARecordThatIsAboutToBeLostIsReported: the topics of a test keep their records for 24 hours.
func TestARecordThatIsAboutToBeLostIsReported(t *testing.T) {
	for _, tc := range []struct {
		age  time.Duration
		want bool
	}{{13 * time.Hour, true}, {11 * time.Hour, false}} {
		t.Run(tc.age.String(), func(t *testing.T) {
			b := newBed(t, 1)
			held := make(chan struct{})
			c, _ := b.consumer(func(c *Consumer) {
				c.watch.every = 5 * time.Millisecond
				c.fail = func(_ int, point string) error {
					if point == afterIntent {
						<-held
					}
					return nil
				}
			})
			let := sync.OnceFunc(func() { close(held) })
			t.Cleanup(let)
			b.appendedAgo(c.cfg.Topic, tc.age)
			b.await("the metric to tell the age", func() error {
				if got := c.ageOf(t); got < tc.age || got > tc.age+time.Minute {
					return fmt.Errorf("got %v, want %v", got, tc.age)
				}
				return nil
			})
			reported := func() bool {
				err := c.Ready(t.Context())
				return err != nil && strings.Contains(err.Error(), "retention: a record has waited for "+fmt.Sprint(int(tc.age.Hours()))+"h")
			}
			for deadline := time.Now().Add(300 * time.Millisecond); time.Now().Before(deadline) && !reported(); {
				time.Sleep(5 * time.Millisecond)
			}
			if got := reported(); got != tc.want {
				t.Errorf("Ready() tells of a record of %v: %v, want %v", tc.age, got, tc.want)
			}
			let()
			b.drain()
			b.check()
			b.await("Ready, and nothing to wait", func() error {
				if got := c.ageOf(t); got != 0 {
					return fmt.Errorf("got an age of %v, want 0", got)
				}
				return c.Ready(t.Context())
			})
		})
	}
}

// TestARecordIsReportedWhileClickHouseIsUnavailableFromTheStart: the consumer has then not begun with its partition.
func TestARecordIsReportedWhileClickHouseIsUnavailableFromTheStart(t *testing.T) {
	b := bareBed(t, 1)
	b.appendedAgo(b.topic(), 13*time.Hour)
	c, _ := b.consumer(func(c *Consumer) { c.watch.every = 5 * time.Millisecond })
	b.await("Ready to tell of the record", func() error {
		if err := c.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "retention: a record has waited for 13h") {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	if _, err := tables.Migrate(t.Context(), b.opts); err != nil {
		t.Fatal(err)
	}
	b.drain()
	b.check()
	b.await("Ready", func() error { return c.Ready(t.Context()) })
}

func TestTheOldestOfAllPartitionsCounts(t *testing.T) {
	w := newWatch()
	m := newMetrics(nil)
	now := time.UnixMilli(1_000_000)
	var all []*partition
	for i, since := range []int64{0, 990_000, 400_000, 2_000_000} { // the last one's clock is ahead
		p := &partition{number: i, metric: m.of(i)}
		w.add(p).Store(since)
		all = append(all, p)
	}
	if got, want := w.oldest(now), 600*time.Second; got != want {
		t.Errorf("oldest() = %v, want %v", got, want)
	}
	w.remove(all[2])
	if got, want := w.oldest(now), 10*time.Second; got != want {
		t.Errorf("oldest() without that partition = %v, want %v", got, want)
	}
}

func TestRetentionIsThatOfTheTopic(t *testing.T) {
	b := newBed(t, 1)
	c, _ := b.consumer()
	if got, want := c.retention(t.Context()), 24*time.Hour; got != want {
		t.Errorf("retention() = %v, want %v", got, want)
	}
	res, err := b.client.IncrementalAlterConfigs(t.Context(), &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: c.cfg.Topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "retention.ms", Value: "-1", ConfigOperation: kafka.ConfigOperationSet}},
		}},
	})
	if err == nil {
		for _, r := range res.Resources {
			err = errors.Join(err, r.Error)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	b.await("the setting", func() error {
		if got := c.retention(t.Context()); got != 0 {
			return fmt.Errorf("retention() of a topic that keeps everything = %v, want 0", got)
		}
		return nil
	})
}
