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

	busy    atomic.Bool // a nudge is on its way
	failing atomic.Bool // the last one failed
	sending sync.WaitGroup
}

// nudgeTimeout bounds the request of a nudge, which no reader waits for.
const nudgeTimeout = time.Second

// send nudges the consumer to store everything up to wanted, its offsets included. It returns false if the one before is still on its way;
// it does not wait for the answer.
func (n *nudger) send(ctx context.Context, wanted schema.Position) bool {
	if len(wanted) == 0 {
		return true
	}
	log, err := n.source.Log()
	if err != nil || !n.busy.CompareAndSwap(false, true) {
		return false
	}
	before := map[int]int64{}
	for partition, last := range wanted {
		if own, ok := log.Offset(partition, last); ok {
			before[partition] = own + 1
		}
	}
	n.sending.Go(func() {
		defer n.busy.Store(false)
		ctx, cancel := context.WithTimeout(ctx, nudgeTimeout)
		defer cancel()
		n.note(ctx, schemakafka.SendNudges(ctx, n.client, n.topic, before))
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
