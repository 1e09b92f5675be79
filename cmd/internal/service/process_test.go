package service

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary records what happens, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) part(name string) Part {
	return Part{
		Name:  name,
		Start: func(context.Context) error { d.note("start " + name); return nil },
		Run:   func(ctx context.Context) error { <-ctx.Done(); d.note("end " + name); return nil },
		Stop:  func() error { d.note("stop " + name); return nil },
	}
}

func newTestProcess() *Process {
	return NewProcess(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func TestPartsStopInReverseOrder(t *testing.T) {
	var d diary
	p := newTestProcess()
	ctx, cancel := context.WithCancel(t.Context())
	for _, name := range []string{"broker", "consumer", "http"} {
		if err := p.Start(ctx, d.part(name)); err != nil {
			t.Fatalf("Start: %v", err)
		}
	}
	cancel() // stops none of them: Drain stops each in its turn
	if err := errors.Join(p.Wait(ctx), p.Drain()); err != nil {
		t.Errorf("Drain: %v", err)
	}
	want := []string{
		"start broker", "start consumer", "start http",
		"end http", "stop http", "end consumer", "stop consumer", "end broker", "stop broker",
	}
	if !slices.Equal(d.lines, want) {
		t.Errorf("got  %v\nwant %v", d.lines, want)
	}
}

func TestFailedStartStopsTheOthers(t *testing.T) {
	var d diary
	p := newTestProcess()
	if err := p.Start(t.Context(), d.part("broker")); err != nil {
		t.Fatalf("Start: %v", err)
	}
	cause := errors.New("no room")
	bad := Part{Name: "engine", Start: func(context.Context) error { return cause }, Stop: func() error { d.note("stop engine"); return nil }}
	if err := p.Start(t.Context(), bad); !errors.Is(err, cause) {
		t.Errorf("Start: got %v, want %v", err, cause)
	}
	if err := p.Drain(); err != nil {
		t.Errorf("Drain: %v", err)
	}
	if want := []string{"start broker", "end broker", "stop broker"}; !slices.Equal(d.lines, want) {
		t.Errorf("got %v, want %v", d.lines, want)
	}
}

func TestStoppedPartEndsTheProcess(t *testing.T) {
	cause := errors.New("lost")
	for name, tt := range map[string]struct {
		run  func(context.Context) error
		want string
	}{
		"error":   {func(context.Context) error { return cause }, "store: lost"},
		"no more": {func(context.Context) error { return nil }, "store: stopped by itself"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newTestProcess()
			if err := p.Start(t.Context(), Part{Name: "store", Run: tt.run}); err != nil {
				t.Fatalf("Start: %v", err)
			}
			if err := p.Wait(t.Context()); err == nil || err.Error() != tt.want {
				t.Errorf("Wait: got %v, want %s", err, tt.want)
			}
			_ = p.Drain()
		})
	}
}

func TestDrainReportsFaults(t *testing.T) {
	p := newTestProcess()
	for _, part := range []Part{
		{Name: "log", Stop: func() error { return errors.New("cannot sync") }},
		{Name: "store", Run: func(ctx context.Context) error { <-ctx.Done(); return errors.New("cannot flush") }},
	} {
		if err := p.Start(t.Context(), part); err != nil {
			t.Fatalf("Start: %v", err)
		}
	}
	err := p.Drain()
	for _, want := range []string{"stop store: cannot flush", "stop log: cannot sync"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}
