// Package nudge looks for nudges of readers while batches wait for their turns.
package nudge

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

const (
	every   = schemakafka.NudgeEvery // between two looks; a look costs 0.2 ms of CPU
	slowest = 500 * time.Millisecond // between two looks after some have failed
	timeout = time.Second            // of a look
	life    = 5 * time.Second        // how long a nudge counts after this process has seen it; a reader that still waits sends another
)

// Watch tells batches which of them readers wait for. It looks only while there are such batches.
type Watch struct {
	client *kafka.Client
	topic  string
	log    *slog.Logger
	wake   chan struct{} // holds one token while a batch may be waiting

	mu      sync.Mutex // guards what follows
	waiting map[*Batch]struct{}
	sent    map[int][]sent // by partition, the newest last; a later nudge of another service may have a lower offset and takes nothing back
}

// Batch is a batch that waits for its turn. A nil Batch is never nudged.
type Batch struct {
	nudged    chan struct{}
	partition int
	first     int64 // Kafka's own offset
}

// Nudged returns a channel that receives while a reader waits for b.
func (b *Batch) Nudged() <-chan struct{} {
	if b == nil {
		return nil
	}
	return b.nudged
}

type sent struct {
	schemakafka.Nudge
	at time.Time
}

// New makes a Watch. Batches are nudged while Run runs.
func New(client *kafka.Client, topic string, log *slog.Logger) *Watch {
	return &Watch{
		client: client, topic: topic, log: log, wake: make(chan struct{}, 1), waiting: map[*Batch]struct{}{}, sent: map[int][]sent{},
	}
}

// Add begins to look for nudges of the batch that begins at Kafka's own offset first.
func (w *Watch) Add(partition int, first int64) *Batch {
	b := &Batch{nudged: make(chan struct{}, 1), partition: partition, first: first}
	w.mu.Lock()
	w.waiting[b] = struct{}{}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return b
}

// Remove ends what Add began. b may be nil.
func (w *Watch) Remove(b *Batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting, b)
}

// Run looks for nudges until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	for pause := every; ; {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		for len(w.partitions()) > 0 {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			pause = w.look(ctx, pause)
			tick.Reset(pause)
		}
	}
}

// look looks once, and returns the pause until the next look. Without nudges, readers wait until the batch has its turn.
func (w *Watch) look(ctx context.Context, pause time.Duration) time.Duration {
	waiting := w.partitions()
	if len(waiting) == 0 { // the batch had its turn meanwhile
		return every
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	nudges, err := schemakafka.ReadNudges(ctx, w.client, w.topic, waiting)
	if err == nil {
		w.deliver(nudges, time.Now())
		return every
	}
	if pause == every {
		w.log.WarnContext(ctx, "cannot look for nudges: reads wait longer", "error", err)
	}
	return min(2*pause, slowest)
}

// partitions returns the partitions with a batch that waits.
func (w *Watch) partitions() (all []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for b := range w.waiting {
		all = append(all, b.partition)
	}
	return all
}

// deliver passes on the nudges that readers have sent.
func (w *Watch) deliver(nudges map[int]schemakafka.Nudge, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for partition, n := range nudges {
		w.remember(partition, n, now)
	}
	for b := range w.waiting {
		if w.wanted(b.partition, b.first, now) {
			select {
			case b.nudged <- struct{}{}:
			default:
			}
		}
	}
}

// remember adds n to the partition's nudges, unless it is there already, and drops those that n covers or that are too old.
func (w *Watch) remember(partition int, n schemakafka.Nudge, now time.Time) {
	all := w.sent[partition]
	if len(all) > 0 && all[len(all)-1].Nudge == n {
		return
	}
	all = slices.DeleteFunc(all, func(s sent) bool { return s.Before <= n.Before || now.Sub(s.at) >= life })
	w.sent[partition] = append(all, sent{n, now})
}

// wanted reports whether a reader waits for the record at Kafka's own offset.
func (w *Watch) wanted(partition int, offset int64, now time.Time) bool {
	return slices.ContainsFunc(w.sent[partition], func(s sent) bool { return s.Before > offset && now.Sub(s.at) < life })
}
