package api

import "context"

type drainKey struct{}

// WithDrain adds to the contexts of a server's requests a channel that is closed when the server begins to shut down.
func WithDrain(ctx context.Context, drain <-chan struct{}) context.Context {
	return context.WithValue(ctx, drainKey{}, drain)
}

// Draining is closed when the server of a request begins to shut down: an endless response should then end. It is nil, which is
// never closed, if the server does not say.
func Draining(ctx context.Context) <-chan struct{} {
	drain, _ := ctx.Value(drainKey{}).(<-chan struct{})
	return drain
}
