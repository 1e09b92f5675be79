package stored

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestSharedAnswersAreNotOld: each caller gets the answer to a request that was sent after its call.
func TestSharedAnswersAreNotOld(t *testing.T) {
	s := newShared[int64]()
	var now, asked atomic.Int64
	question := func(context.Context) (int64, error) {
		asked.Add(1)
		at := now.Load()
		time.Sleep(50 * time.Microsecond) // what happens now is not in the answer
		return at, nil
	}
	var all sync.WaitGroup
	const callers, each = 50, 40
	for range callers {
		all.Go(func() {
			for range each {
				before := now.Add(1)
				got, err := s.ask(t.Context(), question)
				if err != nil || got < before {
					t.Errorf("got the answer of %d, %v, want one of %d or later", got, err, before)
				}
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n > callers*each/4 {
		t.Errorf("%d callers asked %d times, want that most share an answer", callers*each, n)
	}
}

func TestSharedFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShared[string]()
		release := make(chan struct{})
		go func() {
			_, _ = s.ask(t.Context(), func(context.Context) (string, error) { <-release; return "first", nil })
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		never := func(context.Context) (string, error) { t.Error("asked in vain"); return "", nil }
		if _, err := s.ask(ctx, never); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while the one before has no answer: got %v, want timed out", err)
		}
		close(release)
		synctest.Wait()
		broken := errors.New("broken")
		if _, err := s.ask(t.Context(), func(context.Context) (string, error) { return "", broken }); !errors.Is(err, broken) {
			t.Errorf("got %v, want the question's error", err)
		}
		left, leave := context.WithTimeout(t.Context(), time.Minute)
		leave()
		got, err := s.ask(left, func(ctx context.Context) (string, error) { return "last", ctx.Err() })
		if err != nil || got != "last" {
			t.Errorf("the caller has left: got %q, %v: others may share the answer", got, err)
		}
	})
}
