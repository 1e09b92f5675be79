package stored

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// tailEvery is the pause between two queries of what has been stored, while there are tails.
const tailEvery = 200 * time.Millisecond

// Feed tells tails how far entries are stored. All tails share one query, and without a tail there is none.
type Feed struct {
	wake chan struct{} // holds one token while there may be tails

	mu       sync.Mutex // guards what follows
	tails    int
	stored   schema.Position
	advanced chan struct{} // closed when stored changes
}

func newFeed() *Feed {
	return &Feed{wake: make(chan struct{}, 1), advanced: make(chan struct{})}
}

// Stored returns how far entries are stored, and a channel that is closed when that changes.
func (f *Feed) Stored() (schema.Position, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stored, f.advanced
}

// Join adds a tail. It returns false when there are already as many as most.
func (f *Feed) Join(most int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tails >= most {
		return false
	}
	f.tails++
	select {
	case f.wake <- struct{}{}:
	default:
	}
	return true
}

// Leave removes a tail.
func (f *Feed) Leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tails--
}

func (f *Feed) followed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tails > 0
}

// advance sets what is stored now.
func (f *Feed) advance(stored schema.Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stored.String() == stored.String() {
		return
	}
	f.stored = stored
	close(f.advanced)
	f.advanced = make(chan struct{})
}

// follow asks what is stored while there are tails, until ctx ends.
func (p *Progress) follow(ctx context.Context) {
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.Feed.wake:
		}
		for failed := false; p.Feed.followed(); {
			stored, err := p.UpTo(ctx)
			if err == nil {
				p.Feed.advance(stored)
			} else if !failed && !errors.Is(err, context.Canceled) {
				p.log.WarnContext(ctx, "tails waiting for clickhouse", slog.Any("error", err))
			}
			failed = err != nil
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}
