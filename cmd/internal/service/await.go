package service

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
)

var errUntried = errors.New("has not been looked up yet")

// Dependency is something that a process needs and may have to wait for.
type Dependency struct {
	Name    string                          // of the check in /readyz
	Try     func(ctx context.Context) error // nil once the process can use it
	Still   func(ctx context.Context) error // after Try succeeded: nil while it can still be used; a nil func: not checked again
	Waiting string                          // log message of the first try that fails, with the key error
	Ready   string                          // log message of the first success after such a failure
}

// Await is a part that waits for a dependency, however long it takes. It logs once that it waits, is not ready, and tries again
// with backoff, at least every 3 s.
type Await struct {
	dependency Dependency
	log        *slog.Logger
	state      atomic.Pointer[error] // the outcome of the last try
	found      chan struct{}         // closed after the first try that succeeded
}

// NewAwait waits until d.Try succeeds.
func NewAwait(d Dependency, log *slog.Logger) *Await {
	a := &Await{dependency: d, log: log, found: make(chan struct{})}
	a.state.Store(&errUntried)
	return a
}

// Part returns a as a part of a process.
func (a *Await) Part() Part { return Part{Name: a.dependency.Name, Run: a.Run, Ready: a.Ready} }

// Ready returns nil while the dependency can be used, otherwise the reason why it cannot.
func (a *Await) Ready(ctx context.Context) error {
	if err := *a.state.Load(); err != nil || a.dependency.Still == nil {
		return err
	}
	return a.dependency.Still(ctx)
}

// After returns a function that waits for the dependency and then calls run. If ctx ends first, it does not call run.
func (a *Await) After(run func(ctx context.Context) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return nil
		case <-a.found:
			return run(ctx)
		}
	}
}

// Run repeats Try until it succeeds, and then waits for the end of ctx.
func (a *Await) Run(ctx context.Context) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, 2*time.Second
	waiting := false
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := a.dependency.Try(ctx)
		a.state.Store(&err)
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) {
		if !waiting {
			a.log.Warn(a.dependency.Waiting, "error", err) //nolint:sloglint // a literal of the caller
			waiting = true
		}
	}))
	if err != nil {
		return nil // ctx has ended
	}
	close(a.found)
	if waiting {
		a.log.Info(a.dependency.Ready) //nolint:sloglint // a literal of the caller
	}
	<-ctx.Done()
	return nil
}
