package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
)

// drainTime bounds a shutdown: container platforms kill after 10 s.
const drainTime = 9 * time.Second

// Part is one thing that a process runs. Every field but Name may be nil.
type Part struct {
	Name   string
	Start  func(ctx context.Context) error // blocks until the part can be used; its error ends the process
	Run    func(ctx context.Context) error // blocks until ctx ends and the part has drained
	Stop   func() error                    // releases what Start acquired, once Run has returned
	Ready  func(ctx context.Context) error // nil, or which dependency is unavailable
	Routes func(r chi.Router)              // adds the part's HTTP endpoints
}

// Process is a stack of parts. They start in the given order and stop in reverse order, each after the one above it has stopped. If
// a part fails to start, the parts below it stop.
type Process struct {
	Log     *slog.Logger
	Metrics *prometheus.Registry
	CORS    Middleware // wraps every path; nil where no other site's pages may call

	limits   limits // of clients
	stack    []*started
	failed   chan error
	draining atomic.Bool
}

type started struct {
	Part
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // of Run; valid once ended is closed
}

// NewProcess returns a process without parts.
func NewProcess(log *slog.Logger, reg *prometheus.Registry) *Process {
	return &Process{Log: log, Metrics: reg, limits: defaultLimits, failed: make(chan error, 1)}
}

// Start starts part on top of the others. Its Run outlives ctx: Drain ends it when its turn comes.
func (p *Process) Start(ctx context.Context, part Part) error {
	if part.Start != nil {
		if err := part.Start(ctx); err != nil {
			return fmt.Errorf("start %s: %w", part.Name, err)
		}
	}
	s := &started{Part: part, ended: make(chan struct{})}
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.stack = append(p.stack, s)
	go p.run(ctx, s)
	return nil
}

func (p *Process) run(ctx context.Context, s *started) {
	defer close(s.ended)
	if s.Run == nil {
		<-ctx.Done()
		return
	}
	s.err = s.Run(ctx)
	if ctx.Err() != nil {
		return
	}
	err := s.err
	if err == nil {
		err = errors.New("stopped by itself")
	}
	select {
	case p.failed <- fmt.Errorf("%s: %w", s.Name, err):
	default: // only the first failure is reported
	}
}

// Wait returns nil when ctx ends, or the error of the first part that stops before.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-p.failed:
		return err
	}
}

// Drain stops the parts in reverse order. It returns within 10 s; its error names a part that has not stopped by then.
func (p *Process) Drain() error {
	p.draining.Store(true)
	timeout := time.NewTimer(drainTime)
	defer timeout.Stop()
	var faults []error
	for len(p.stack) > 0 {
		top := len(p.stack) - 1
		s := p.stack[top]
		p.stack = p.stack[:top]
		s.cancel()
		select {
		case <-s.ended:
			faults = append(faults, s.stop())
		case <-timeout.C:
			return errors.Join(append(faults, fmt.Errorf("stop %s: not within %v", s.Name, drainTime))...)
		}
	}
	return errors.Join(faults...)
}

func (s *started) stop() error {
	var faults []error
	if s.err != nil {
		faults = append(faults, fmt.Errorf("stop %s: %w", s.Name, s.err))
	}
	if s.Stop != nil {
		if err := s.Stop(); err != nil {
			faults = append(faults, fmt.Errorf("stop %s: %w", s.Name, err))
		}
	}
	return errors.Join(faults...)
}
