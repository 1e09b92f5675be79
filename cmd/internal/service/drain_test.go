package service

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := newTestProcess()
		if err := p.Start(t.Context(), Part{Name: "stuck", Run: func(context.Context) error { <-release; return nil }}); err != nil {
			t.Fatalf("Start: %v", err)
		}
		start := time.Now()
		err := p.Drain()
		if err == nil || !strings.Contains(err.Error(), "stop stuck") {
			t.Errorf("got %v, want an error that names the part", err)
		}
		if took := time.Since(start); took >= 10*time.Second {
			t.Errorf("took %v, want less than 10 s", took)
		}
		close(release)
	})
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		a := NewAwait(Dependency{Name: "kafka", Try: func(context.Context) error {
			if tries++; tries < 5 {
				return context.DeadlineExceeded
			}
			return nil
		}}, newTestProcess().Log)
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan struct{})
		go func() { _ = a.After(func(context.Context) error { close(ran); return nil })(ctx) }()
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		synctest.Wait()
		if err := a.Ready(ctx); err == nil {
			t.Error("before: got ready, want not")
		}
		select {
		case <-ran:
			t.Error("what needs kafka ran before kafka was found")
		default:
		}
		<-ran
		if err := a.Ready(ctx); err != nil {
			t.Errorf("after %d tries: %v", tries, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
