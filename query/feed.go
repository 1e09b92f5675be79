package query

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// tailEvery is the pause between two looks at what has been stored, while somebody follows.
const tailEvery = 200 * time.Millisecond

// feed tells those who follow how far entries are stored. All of them share one question, and nothing is asked for nobody.
type feed struct {
	wake chan struct{} // holds one token while somebody may be following

	mu       sync.Mutex // guards what follows
	tails    int
	stored   schema.Position
	advanced chan struct{} // closed when stored is another
}

func newFeed() *feed {
	return &feed{wake: make(chan struct{}, 1), advanced: make(chan struct{})}
}

// now is what is stored, and what is closed when that is no longer so.
func (f *feed) now() (schema.Position, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stored, f.advanced
}

// join has one more follow; it is false when there are most already.
func (f *feed) join(most int) bool {
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

func (f *feed) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tails--
}

func (f *feed) followed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tails > 0
}

// advance takes what is stored now.
func (f *feed) advance(stored schema.Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stored.String() == stored.String() {
		return
	}
	f.stored = stored
	close(f.advanced)
	f.advanced = make(chan struct{})
}

// follow looks at what is stored while there are tails, until ctx ends.
func (s *Store) follow(ctx context.Context) {
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.feed.wake:
		}
		for away := false; s.feed.followed(); {
			stored, err := s.storedUpTo(ctx)
			if err == nil {
				s.feed.advance(stored)
			} else if !away && !errors.Is(err, context.Canceled) {
				s.log.WarnContext(ctx, "tails wait", slog.Any("error", err))
			}
			away = err != nil
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}
