// Package stored tracks how far the entries of the topic are stored. It promises: a wait for a position ends when everything up to it can
// be read; the end of the topic covers everything acknowledged so far; a read that has caught up shows all of that; and an entry that is
// stored after a call of UpTo is never within its result. It tells no caller anything about another tenant.
package stored

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/internal/requests"
	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Config says which topic is watched, and for how long.
type Config struct {
	Topic    string        // the entries' topic
	WaitMax  time.Duration // the longest that a request waits for a position, or for its erasure
	ReadWait time.Duration // the longest that a read without a position waits for what was acknowledged before it; 0: it does not
}

// Defaults returns the values of a Config that names none.
func Defaults() Config {
	// A nudged consumer stores an entry within two inserts and a pause of the same length, 50 to 250 ms, but now and then a disk takes longer.
	return Config{Topic: "activity", WaitMax: 5 * time.Second, ReadWait: time.Second}
}

// Validate returns everything that is wrong with c.
func (c Config) Validate() error {
	var all []error
	if c.Topic == "" {
		all = append(all, errors.New("topic is required"))
	}
	if c.WaitMax <= 0 {
		all = append(all, errors.New("the longest wait must be above 0"))
	}
	if c.ReadWait < 0 {
		all = append(all, errors.New("the wait of a read must not be negative"))
	}
	return errors.Join(all...)
}

// Progress watches how far entries are stored. It may be used by many goroutines at once.
type Progress struct {
	Feed *Feed // for tails

	cfg      Config
	db       *db.DB
	kafka    *kafka.Client
	log      *slog.Logger
	source   *schemakafka.Follower
	watcher  *watcher
	metrics  *metrics
	requests *requests.Metrics
	lag      *lag // of the consumer, for reads without a position
}

// New makes a Progress. Waits work while Run does.
func New(cfg Config, d *db.DB, client *kafka.Client, log *slog.Logger, reg prometheus.Registerer) *Progress {
	source, m := schemakafka.Follow(client, cfg.Topic), newMetrics(reg)
	return &Progress{
		Feed: newFeed(), cfg: cfg, db: d, kafka: client, log: log, source: source,
		watcher: newWatcher(cfg.Topic, client, source, m, log), metrics: m, requests: requests.New(reg), lag: newLag(),
	}
}

// Run follows the stored positions while somebody waits for one or follows. It returns when ctx ends.
func (p *Progress) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { p.watchLog(ctx) })
	all.Go(func() { p.watcher.run(ctx) })
	all.Go(func() { p.follow(ctx) })
	all.Go(func() { p.followLag(ctx) })
	all.Wait()
	p.watcher.nudger.sending.Wait()
}

// Topic returns the entries' topic.
func (p *Progress) Topic() string { return p.cfg.Topic }

// WaitMax returns the longest that a request waits.
func (p *Progress) WaitMax() time.Duration { return p.cfg.WaitMax }

// Await returns when everything up to position has been stored, its own offsets included. It waits at most WaitMax: then its
// error is ErrTimeout, or ErrUnavailable when Kafka could not say what has been stored, or ErrInvalid for one of an earlier log or of a
// partition that does not exist.
func (p *Progress) Await(ctx context.Context, position schema.Position) (err error) {
	if len(position) == 0 {
		return nil
	}
	defer p.requests.Observe("wait", time.Now(), &err)
	ctx, cancel := context.WithTimeout(ctx, p.cfg.WaitMax)
	defer cancel()
	if err := p.ofLog(ctx, position); err != nil {
		return err
	}
	if err := p.fits(ctx, position); err != nil {
		return err
	}
	return p.Wait(ctx, position)
}

// fits is a FieldError if position names a partition that the topic does not have: nothing will ever be stored there, and every wait
// asks for each partition, again and again.
func (p *Progress) fits(ctx context.Context, position schema.Position) error {
	highest := slices.Max(slices.Collect(maps.Keys(position)))
	if highest == 0 { // every topic has it
		return nil
	}
	n, err := schemakafka.Partitions(ctx, p.kafka, p.cfg.Topic)
	if err == nil && highest >= n {
		n, err = schemakafka.PartitionsNow(ctx, p.kafka, p.cfg.Topic) // the write may have gone to one that was added a moment ago
	}
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded): // as for a position that has not been stored in time
		return fmt.Errorf("%w: look up the partitions: %v", schema.ErrTimeout, err) //nolint:errorlint // its kind would say that Kafka is unavailable
	case err != nil:
		return Fault(ctx, err)
	case highest >= n:
		return &schema.FieldError{Field: "position", Code: "RANGE", Issue: fmt.Sprintf("names partition %d; the highest is %d", highest, n-1)}
	}
	return nil
}

// Wait is like Await, but waits until ctx ends.
func (p *Progress) Wait(ctx context.Context, position schema.Position) error {
	if len(position) == 0 {
		return nil
	}
	return p.watcher.wait(ctx, position)
}

// Fault classifies an error of Kafka that occurred before anything was published.
func Fault(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	return fmt.Errorf("%w: kafka: %w", schema.ErrUnavailable, err)
}
