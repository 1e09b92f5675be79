package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	xterm "golang.org/x/term"
)

// Screen is a terminal whose whole window a command draws. Close gives it back as it was: its text, its cursor, its keys.
type Screen struct {
	in, out *os.File
	before  *xterm.State // nil while the terminal is given back
	shown   []string     // the lines of the last frame
	columns int
	rows    int
	resized chan os.Signal
	closing sync.Once
}

// Escape sequences of every terminal since xterm. Those with ?2026 draw a frame at once; others ignore them.
const (
	enter    = "\x1b[?1049h\x1b[?25l\x1b[?7l" // the second page, without a cursor, lines are cut off
	leave    = "\x1b[?7h\x1b[?25h\x1b[?1049l\x1b[0m"
	begin    = "\x1b[?2026h"
	end      = "\x1b[?2026l"
	erase    = "\x1b[2J"
	restLine = "\x1b[K"
)

// ErrNoTerminal means that a screen needs a terminal.
var ErrNoTerminal = errors.New("not a terminal")

// OpenScreen takes the terminal.
func OpenScreen(in, out *os.File) (*Screen, error) {
	s := &Screen{in: in, out: out, resized: make(chan os.Signal, 1)}
	if err := s.take(); err != nil {
		return nil, err
	}
	signal.Notify(s.resized, syscall.SIGWINCH, syscall.SIGCONT)
	return s, nil
}

func (s *Screen) take() error {
	if !xterm.IsTerminal(int(s.in.Fd())) || Width(s.out) == 0 {
		return ErrNoTerminal
	}
	before, err := xterm.MakeRaw(int(s.in.Fd()))
	if err != nil {
		return fmt.Errorf("take the terminal: %w", err)
	}
	s.before, s.shown = before, nil
	_, err = io.WriteString(s.out, enter)
	return err
}

// give gives the terminal back.
func (s *Screen) give() error {
	if s.before == nil {
		return nil
	}
	_, err := io.WriteString(s.out, leave)
	err = errors.Join(err, xterm.Restore(int(s.in.Fd()), s.before))
	s.before = nil
	return err
}

// Close gives the terminal back. It may be called again.
func (s *Screen) Close() (err error) {
	s.closing.Do(func() {
		signal.Stop(s.resized)
		err = s.give()
	})
	return err
}

// Resized receives a signal when the window may have another size.
func (s *Screen) Resized() <-chan os.Signal { return s.resized }

// Size is the size of the window.
func (s *Screen) Size() (columns, rows int) { return size(s.out) }

// Draw shows lines, of which the last may not fit. Lines that have not changed are not sent again.
func (s *Screen) Draw(lines []string) error {
	columns, rows := s.Size()
	var b strings.Builder
	b.WriteString(begin)
	if columns != s.columns || rows != s.rows || s.shown == nil {
		b.WriteString(erase)
		s.columns, s.rows, s.shown = columns, rows, make([]string, rows)
	}
	for i := range rows {
		line := ""
		if i < len(lines) {
			line = lines[i]
		}
		if line != s.shown[i] {
			fmt.Fprintf(&b, "\x1b[%d;1H%s%s", i+1, restLine, line) // first: at the last column it would take the last character
			s.shown[i] = line
		}
	}
	b.WriteString(end)
	_, err := io.WriteString(s.out, b.String())
	return err
}

// Suspend stops the process as Ctrl-Z does elsewhere, until the shell continues it.
func (s *Screen) Suspend() error {
	if err := s.give(); err != nil {
		return err
	}
	if err := unix.Kill(0, unix.SIGTSTP); err != nil {
		return err
	}
	select { // the process stops here, at the latest
	case <-s.resized:
	case <-time.After(200 * time.Millisecond): // nobody may stop it: it has no shell
	}
	return s.take()
}

// Retake takes the terminal again after the process was stopped and continued from outside.
func (s *Screen) Retake() error {
	if s.before == nil {
		return nil
	}
	s.shown = nil
	if _, err := xterm.MakeRaw(int(s.in.Fd())); err != nil {
		return fmt.Errorf("take the terminal: %w", err)
	}
	_, err := io.WriteString(s.out, enter)
	return err
}

// Key is a key that was pressed: a character, or the name of another key.
type Key string

// The keys that are no characters.
const (
	Up        Key = "up"
	Down      Key = "down"
	Left      Key = "left"
	Right     Key = "right"
	Tab       Key = "\t"
	Escape    Key = "\x1b"
	Interrupt Key = "\x03"
	Stop      Key = "\x1a"
)

// sequences are what terminals send for keys, in both modes of the cursor keys.
var sequences = map[string]Key{
	"\x1b[A": Up, "\x1b[B": Down, "\x1b[C": Right, "\x1b[D": Left,
	"\x1bOA": Up, "\x1bOB": Down, "\x1bOC": Right, "\x1bOD": Left,
}

// Keys sends the keys that are pressed until ctx ends or the terminal is gone; then it returns nil or the error. It reads nothing
// that it does not send.
func (s *Screen) Keys(ctx context.Context, keys chan<- Key) error {
	buffer := make([]byte, 64)
	for ctx.Err() == nil {
		fds := []unix.PollFd{{Fd: int32(s.in.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 50)
		switch {
		case errors.Is(err, unix.EINTR), err == nil && n == 0:
			continue
		case err != nil:
			return err
		}
		if n, err = s.in.Read(buffer); err != nil {
			return err
		}
		for _, key := range keysOf(string(buffer[:n])) {
			select {
			case keys <- key:
			case <-ctx.Done():
				return nil
			}
		}
	}
	return nil
}

// keysOf divides what was read. Sequences of other keys are left out.
func keysOf(text string) (keys []Key) {
	for text != "" {
		if text[0] == 0x1b && len(text) > 1 && (text[1] == '[' || text[1] == 'O') {
			end := strings.IndexFunc(text[2:], func(r rune) bool { return r >= 0x40 && r <= 0x7e })
			if end < 0 {
				return keys
			}
			if key, ok := sequences[text[:end+3]]; ok {
				keys = append(keys, key)
			}
			text = text[end+3:]
			continue
		}
		keys = append(keys, Key(text[:1]))
		text = text[1:]
	}
	return keys
}
