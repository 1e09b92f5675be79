package stored

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// nudger asks the consumer to store entries at once because a reader waits for them: otherwise it pauses between small inserts. If it cannot
// be asked, readers wait for the pause to end.
type nudger struct {
	topic   string
	client  *kafka.Client
	source  *schemakafka.Follower
	metrics *metrics
	log     *slog.Logger

	busy    atomic.Bool // a nudge is on its way, or was sent a moment ago
	failing atomic.Bool // the last one failed
	sending sync.WaitGroup
}

const (
	nudgeTimeout = time.Second // of the request, which no reader waits for
	nudgeAgain   = time.Second // after which whoever still waits nudges again: the nudge may have failed or been replaced
)

// send nudges the consumer to store everything up to wanted, its offsets included. It does not wait for the answer. It returns false if
// it has sent nothing, because the nudge before was a moment ago, or because no offset of wanted is known to be of the current log.
func (n *nudger) send(ctx context.Context, wanted schema.Position) bool {
	log, err := n.source.Log()
	if err != nil {
		return false
	}
	before := map[int]int64{}
	for partition, last := range wanted {
		if own, ok := log.Offset(partition, last); ok {
			before[partition] = own + 1
		}
	}
	if len(before) == 0 || !n.busy.CompareAndSwap(false, true) {
		return false
	}
	n.sending.Go(func() {
		defer n.busy.Store(false)
		began := time.Now()
		ctx, cancel := context.WithTimeout(ctx, nudgeTimeout)
		defer cancel()
		n.note(ctx, schemakafka.SendNudges(ctx, n.client, n.topic, before))
		select {
		case <-ctx.Done():
		case <-time.After(schemakafka.NudgeEvery - time.Since(began)):
		}
	})
	return true
}

// note logs the first failure of several in a row.
func (n *nudger) note(ctx context.Context, err error) {
	n.metrics.nudges[err == nil].Inc()
	if failed := err != nil; n.failing.Swap(failed) != failed && failed && !errors.Is(ctx.Err(), context.Canceled) {
		n.log.WarnContext(ctx, "cannot nudge the consumer: reads wait longer", "error", err)
	}
}
