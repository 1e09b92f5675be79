package service

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
)

var errUntried = errors.New("has yet to be looked up")

// Await is a part that waits for something that the process needs, however long it takes: it says once that it waits, is
// not ready, and tries again with backoff, at least every 3 s.
type Await struct {
	name  string
	log   *slog.Logger
	try   func(ctx context.Context) error
	state atomic.Pointer[error] // the outcome of the last try
	there chan struct{}         // closed after the first try that succeeded
}

// NewAwait waits until try succeeds.
func NewAwait(name string, log *slog.Logger, try func(ctx context.Context) error) *Await {
	a := &Await{name: name, log: log, try: try, there: make(chan struct{})}
	a.state.Store(&errUntried)
	return a
}

// Part is a as a part of a process.
func (a *Await) Part() Part { return Part{Name: a.name, Run: a.Run, Ready: a.Ready} }

// Ready is nil once it is there, else why it is not.
func (a *Await) Ready(context.Context) error { return *a.state.Load() }

// After holds back run until it is there. Where ctx ends before, run is never called.
func (a *Await) After(run func(ctx context.Context) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return nil
		case <-a.there:
			return run(ctx)
		}
	}
}

// Run tries until it succeeds, and then does nothing until ctx ends.
func (a *Await) Run(ctx context.Context) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, 2*time.Second
	waiting := false
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := a.try(ctx)
		a.state.Store(&err)
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) {
		if !waiting && ctx.Err() == nil {
			a.log.Warn("waiting", "dependency", a.name, "reason", err)
			waiting = true
		}
	}))
	if err != nil {
		return nil // ctx has ended
	}
	close(a.there)
	if waiting {
		a.log.Info("is there", "dependency", a.name)
	}
	<-ctx.Done()
	return nil
}
