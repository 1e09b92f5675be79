package api

import "context"

type drainKey struct{}

// WithDrain gives the contexts of a server's requests a channel that is closed when it takes no more of them.
func WithDrain(ctx context.Context, drain <-chan struct{}) context.Context {
	return context.WithValue(ctx, drainKey{}, drain)
}

// Draining is closed when the server of a request is about to end: an answer that has no end of its own should end now. Nil,
// which is never closed, where the server does not say.
func Draining(ctx context.Context) <-chan struct{} {
	drain, _ := ctx.Value(drainKey{}).(<-chan struct{})
	return drain
}
