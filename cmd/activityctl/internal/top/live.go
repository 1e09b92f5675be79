// Package top shows what an installation does now: the rates of entries, what waits, what goes wrong, and which values come most.
// It uses the public interface of the services only.
package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/term"
)

// most is how many values of a group are asked for: as many as a high window shows.
const most = 50

// Options are how often to look, and over which time to count values.
type Options struct{ Every, Window time.Duration }

// Report is a board at one time.
type Report struct {
	board  *board
	window time.Duration
}

// Once looks twice, to measure rates, and counts the values of a window.
func Once(ctx context.Context, s *Service, o Options) (*Report, error) {
	b := newBoard(s.URL)
	first := s.sample(ctx)
	if first.failed != nil {
		return nil, first.failed
	}
	b.add(first)
	for _, group := range groups {
		r := s.rank(ctx, group, o.Window)
		if r.err != nil {
			return nil, r.err
		}
		b.rank(r)
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Until(first.at.Add(o.Every))):
	}
	b.add(s.sample(ctx))
	return &Report{b, o.Window}, b.last().failed
}

// Snapshot is the report for programs.
func (r *Report) Snapshot() Snapshot { return r.board.snapshot(r.window) }

// Print prints the report for people.
func (r *Report) Print(o term.Output) error {
	columns := o.Width
	if columns == 0 {
		columns = term.Usual
	}
	v := &view{board: r.board, out: o, window: r.window}
	for _, line := range v.lines(columns, 1000) {
		if _, err := io.WriteString(o, strings.TrimRight(line, " ")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// live is a view that changes.
type live struct {
	service *Service
	screen  *term.Screen
	view    *view
	every   time.Duration

	samples  chan sample
	rankings chan ranking
	broken   chan error // what ended a goroutine that should not end
	running  sync.WaitGroup
	sampling bool
	ranking  map[string]time.Time // when a group may be counted again; zero while it is counted
}

// Live shows the board until q, Ctrl-C or the end of ctx. Then the terminal is as before, also after a panic.
func Live(ctx context.Context, s *Service, o Options, in, out *os.File, to term.Output) (err error) {
	first := s.sample(ctx)
	if first.failed != nil {
		return first.failed
	}
	screen, err := term.OpenScreen(in, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, screen.Close()) }()
	l := &live{
		service: s, screen: screen, every: o.Every, view: &view{board: newBoard(s.URL), out: to, window: o.Window, live: true},
		samples: make(chan sample), rankings: make(chan ranking), broken: make(chan error, 8), ranking: map[string]time.Time{},
	}
	l.view.add(first)
	ctx, cancel := context.WithCancel(ctx)
	defer l.running.Wait()
	defer cancel()
	return l.run(ctx)
}

// start runs f beside the loop. A panic in it ends the loop, which gives the terminal back before the text appears.
func (l *live) start(f func()) {
	l.running.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				l.broken <- fmt.Errorf("top failed: %v\n%s", p, debug.Stack())
			}
		}()
		f()
	})
}

func (l *live) run(ctx context.Context) error {
	keys := make(chan term.Key)
	l.start(func() {
		if err := l.screen.Keys(ctx, keys); err != nil && ctx.Err() == nil {
			l.broken <- err
		}
	})
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		l.rank(ctx)
		if err := l.screen.Draw(l.view.lines(l.screen.Size())); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-l.broken:
			return err
		case key := <-keys:
			if end, err := l.press(key); end || err != nil {
				return err
			}
		case s := <-l.samples:
			l.sampling = false
			if !l.view.paused {
				l.view.add(s)
			}
		case r := <-l.rankings:
			l.ranking[r.group] = time.Now().Add(max(l.every, 2*time.Second, 10*r.took)) // counting costs the service a tenth of a core at most
			if !l.view.paused {
				l.view.rank(r)
			}
		case s := <-l.screen.Resized():
			if s == syscall.SIGCONT {
				if err := l.screen.Retake(); err != nil {
					return err
				}
			}
		case <-tick.C:
			l.sample(ctx)
		}
	}
}

// sample asks the service, unless it has not answered yet.
func (l *live) sample(ctx context.Context) {
	if l.sampling || l.view.paused {
		return
	}
	l.sampling = true
	l.start(func() {
		s := l.service.sample(ctx)
		select {
		case l.samples <- s:
		case <-ctx.Done():
		}
	})
}

// rank has the values counted that are on the screen, one after the other.
func (l *live) rank(ctx context.Context) {
	if l.view.paused || l.view.last().health == nil {
		return
	}
	for _, again := range l.ranking {
		if again.IsZero() {
			return
		}
	}
	for _, group := range l.view.shown(2) {
		if r, ok := l.view.rankings[group]; ok && r.window == l.view.window && time.Now().Before(l.ranking[group]) {
			continue
		}
		window := l.view.window
		l.ranking[group] = time.Time{}
		l.start(func() {
			r := l.service.rank(ctx, group, window)
			select {
			case l.rankings <- r:
			case <-ctx.Done():
			}
		})
		return
	}
}

// press does what a key means, and reports whether it ends the view.
func (l *live) press(key term.Key) (end bool, err error) {
	v := l.view
	switch key {
	case "q", "Q", term.Interrupt:
		return true, nil
	case term.Stop:
		return false, l.screen.Suspend()
	case "p", "P", " ":
		v.paused = !v.paused
	case term.Up, term.Down:
		if v.window == time.Minute {
			v.window = time.Hour
		} else {
			v.window = time.Minute
		}
	case term.Right, term.Tab:
		v.first = (v.first + 1) % len(groups)
	case term.Left:
		v.first = (v.first + len(groups) - 1) % len(groups)
	}
	return false, nil
}
