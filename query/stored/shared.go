package stored

import (
	"context"
	"sync"
)

// shared lets concurrent callers share one request. Each caller gets the answer to a request that began after its call: the answer to
// an earlier request may lack something that the caller already knows.
type shared[T any] struct {
	turn chan struct{} // holds a token while no request runs

	mu   sync.Mutex // guards next
	next *answer[T] // of the next request; nil while no caller waits for one
}

type answer[T any] struct {
	done  chan struct{} // closed when the answer is there
	value T
	err   error
}

func newShared[T any]() *shared[T] {
	s := &shared[T]{turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// ask returns the answer to the question. The first caller asks it for all callers that come before it is sent, within its own deadline.
func (s *shared[T]) ask(ctx context.Context, question func(context.Context) (T, error)) (T, error) {
	s.mu.Lock()
	a := s.next
	if a == nil {
		a = &answer[T]{done: make(chan struct{})}
		s.next = a
		s.mu.Unlock()
		s.lead(ctx, a, question)
		return a.value, a.err
	}
	s.mu.Unlock()
	select {
	case <-a.done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// lead asks the question once the one before has been answered.
func (s *shared[T]) lead(ctx context.Context, a *answer[T], question func(context.Context) (T, error)) {
	defer close(a.done)
	if end, ok := ctx.Deadline(); ok { // others still wait for the answer if this caller leaves
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(context.WithoutCancel(ctx), end)
		defer cancel()
	}
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		a.err = ctx.Err()
	}
	s.mu.Lock()
	s.next = nil // later callers need a later answer
	s.mu.Unlock()
	if a.err == nil {
		a.value, a.err = question(ctx)
	}
}
