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

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// pollEvery is the pause between two requests for the committed offsets while somebody waits. A lone entry is stored some
// 30 ms after it was acknowledged; a request costs the broker 0.1 ms. After requests that failed the pause grows to pollSlowest.
const (
	pollEvery   = 5 * time.Millisecond
	pollSlowest = 500 * time.Millisecond
)

// watcher wakes waiters when their positions have been stored. It asks the broker for the offsets that the consumer group
// committed: an offset is stored when the committed one is above it. It caches no answer, because a topic that was truncated and
// written again has old offsets that are not stored. All waiters share one request.
type watcher struct {
	topic   string
	client  *kafka.Client
	source  *schemakafka.Follower
	metrics *metrics
	nudger  *nudger
	wake    chan struct{} // holds one token while there may be waiters

	mu      sync.Mutex // guards what follows
	waiting map[*waiter]struct{}
	problem error // why the last request failed
}

type waiter struct {
	position schema.Position
	stored   chan struct{} // closed when it is
	nudge    time.Time     // when the consumer is next asked to store it at once
}

func newWatcher(topic string, client *kafka.Client, source *schemakafka.Follower, m *metrics, log *slog.Logger) *watcher {
	return &watcher{
		topic: topic, client: client, source: source, metrics: m, nudger: &nudger{topic: topic, client: client, source: source, metrics: m, log: log},
		wake: make(chan struct{}, 1), waiting: map[*waiter]struct{}{},
	}
}

func (w *watcher) wait(ctx context.Context, p schema.Position) error {
	start := time.Now()
	defer func() { w.metrics.waits.Observe(time.Since(start).Seconds()) }()
	me := &waiter{position: p, stored: make(chan struct{}), nudge: start.Add(pollEvery)}
	w.add(me)
	defer w.remove(me)
	select {
	case <-me.stored:
		return nil
	case <-ctx.Done():
		return w.late(ctx)
	}
}

// late returns the error of a wait that ended before the position was stored.
func (w *watcher) late(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.problem != nil {
		return fmt.Errorf("%w: fetch the stored position: %w", schema.ErrUnavailable, w.problem)
	}
	return fmt.Errorf("%w: the position has not been stored yet", schema.ErrTimeout)
}

func (w *watcher) add(me *waiter) {
	w.mu.Lock()
	w.waiting[me] = struct{}{}
	w.mu.Unlock()
	w.metrics.waiting.Inc()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) remove(me *waiter) {
	w.mu.Lock()
	delete(w.waiting, me)
	w.mu.Unlock()
	w.metrics.waiting.Dec()
}

// nudge asks the consumer to store at once what the waiters wait for, if the time has come for one of them. It comes a moment after the
// wait has begun: an insert that is under way often ends the wait before that.
func (w *watcher) nudge(ctx context.Context, waiters []*waiter, now time.Time) {
	due, wanted := false, schema.Position{}
	for _, me := range waiters {
		due = due || !now.Before(me.nudge)
		for partition, last := range me.position {
			wanted.Add(partition, last)
		}
	}
	if !due || !w.nudger.send(ctx, wanted) {
		return
	}
	for _, me := range waiters {
		me.nudge = now.Add(nudgeAgain)
	}
}

// run wakes waiters until ctx ends.
func (w *watcher) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause := pollEvery
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			var failed bool
			if waiting, failed = w.poll(ctx); failed {
				pause = min(2*pause, pollSlowest)
			} else {
				pause = pollEvery
			}
			timer.Reset(pause)
		}
	}
}

// poll asks once, for the partitions that somebody waits for. It reports whether somebody still waits, and whether Kafka did not
// answer.
func (w *watcher) poll(ctx context.Context) (waiting, failed bool) {
	asked := w.waiters()
	if len(asked) == 0 {
		return false, false
	}
	committed, err := w.committed(ctx, partitions(asked))
	left := w.finish(asked, committed, err)
	if err == nil {
		w.nudge(ctx, left, time.Now())
	}
	return len(left) > 0, err != nil
}

// finish ends the waits for what is committed, and returns those that go on.
func (w *watcher) finish(asked []*waiter, committed schema.Position, err error) (left []*waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problem = err
	for _, me := range asked {
		if _, ok := w.waiting[me]; !ok {
			continue
		}
		if err != nil || !passed(committed, me.position) {
			left = append(left, me)
			continue
		}
		delete(w.waiting, me)
		close(me.stored)
	}
	return left
}

// waiters returns the current waiters. Only a request that is sent after a wait began can end that wait: an earlier request might miss what
// was stored in between.
func (w *watcher) waiters() []*waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.waiting))
}

func partitions(asked []*waiter) []int {
	all := map[int]struct{}{}
	for _, me := range asked {
		for p := range me.position {
			all[p] = struct{}{}
		}
	}
	return slices.Collect(maps.Keys(all))
}

func passed(committed, p schema.Position) bool {
	for partition, offset := range p {
		if at, ok := committed[partition]; !ok || at <= offset {
			return false
		}
	}
	return true
}

// committed returns the offsets that the consumer group committed; partitions without one are missing.
func (w *watcher) committed(ctx context.Context, partitions []int) (schema.Position, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	res, err := w.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{
		GroupID: schemakafka.Group(w.topic), Topics: map[string][]int{w.topic: partitions},
	})
	if err == nil {
		err = res.Error
	}
	if errors.Is(err, kafka.GroupIdNotFound) {
		return schema.Position{}, nil // no consumer has joined yet: the embedded broker says so, Kafka says -1
	}
	if err != nil {
		return nil, fmt.Errorf("fetch committed offsets: %w", err)
	}
	log, err := w.source.Log()
	if err != nil {
		return nil, fmt.Errorf("compare committed offsets: %w", err)
	}
	at := schema.Position{}
	for _, p := range res.Topics[w.topic] {
		commit, _, _ := schemakafka.ParseCommit(p.Metadata) // what cannot be read counts as the first version's
		if offset := log.Committed(p.Partition, p.CommittedOffset, commit); p.Error == nil && offset >= 0 {
			at[p.Partition] = log.Absolute(p.Partition, offset)
		}
	}
	return at, nil
}
