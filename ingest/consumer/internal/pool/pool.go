// Package pool bounds how many values of a kind are in use at once, and keeps their memory.
package pool

import "context"

// Pool is safe for concurrent use.
type Pool[T any] struct{ free chan *T }

// New makes a pool of n values.
func New[T any](n int) *Pool[T] {
	p := &Pool[T]{free: make(chan *T, n)}
	for range n {
		p.free <- new(T)
	}
	return p
}

// Get waits for a value.
func (p *Pool[T]) Get(ctx context.Context) (*T, error) {
	select {
	case v := <-p.free:
		return v, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Idle returns a value if one is free and nobody waits for it, otherwise nil.
func (p *Pool[T]) Idle() *T {
	select {
	case v := <-p.free:
		return v
	default:
		return nil
	}
}

// Put returns a value to the pool.
func (p *Pool[T]) Put(v *T) { p.free <- v }
