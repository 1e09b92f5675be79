package cmd_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/cmd/internal/term/pty"
)

// session is a command on a terminal of its own.
type session struct {
	cmd           *exec.Cmd
	master, slave *os.File
	grid          *pty.Grid
	before        unix.Termios
	read          chan struct{} // closed when everything is read
}

// inSession starts a command on a terminal. Its standard output goes to the terminal as well, unless out is another file.
func inSession(t *testing.T, env []string, columns, rows int, name string, args ...string) *session {
	t.Helper()
	master, slave, err := pty.Open(columns, rows)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{master: master, slave: slave, grid: pty.NewGrid(columns, rows), read: make(chan struct{})}
	if s.before, err = pty.Modes(slave); err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(bin, name)
	}
	s.cmd = exec.CommandContext(t.Context(), name, args...)
	s.cmd.Env, s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = clean(env), slave, slave, slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // so that the window's size and Ctrl-C reach it
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.read)
		_, _ = io.Copy(s.grid, master) // EIO when nobody has the other end open any more
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = slave.Close()
		<-s.read
		_ = master.Close()
	})
	return s
}

// until waits until the screen shows a text.
func (s *session) until(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(s.grid.Text(), want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("want %q on the screen, got\n%s", want, s.grid.Text())
		}
	}
}

func (s *session) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := io.WriteString(s.master, keys); err != nil {
		t.Fatal(err)
	}
}

func (s *session) resize(t *testing.T, columns, rows int) {
	t.Helper()
	s.grid.Resize(columns, rows)
	if err := pty.Resize(s.slave, columns, rows); err != nil {
		t.Fatal(err)
	}
}

// end waits for the end of the command, checks that the terminal is as before, and returns everything that was shown and the exit code.
func (s *session) end(t *testing.T) (shown string, exit int) {
	t.Helper()
	late := time.AfterFunc(20*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	_ = s.cmd.Wait()
	after, err := pty.Modes(s.slave)
	if err != nil || after != s.before {
		t.Errorf("the terminal is left as %+v, %v, want %+v", after, err, s.before)
	}
	_ = s.slave.Close()
	<-s.read
	return strings.ReplaceAll(s.grid.Raw(), "\r\n", "\n"), s.cmd.ProcessState.ExitCode()
}

// onTerminal runs a command on a terminal of 80 columns, and returns what it shows.
func onTerminal(t *testing.T, name string, args ...string) (shown string, exit int) {
	t.Helper()
	return inSession(t, nil, 80, 24, name, args...).end(t)
}

var style = regexp.MustCompile("\x1b\\[[0-9;]*m")

// checkShown finds lines that do not fit, and what an entry has smuggled to the terminal.
func checkShown(t *testing.T, what, shown string, columns int) {
	t.Helper()
	text := style.ReplaceAllString(shown, "")
	for line := range strings.SplitSeq(text, "\n") {
		if n := term.Columns(line); n > columns {
			t.Errorf("%s: %d of %d columns: %s", what, n, columns, line)
		}
	}
	if i := strings.IndexAny(text, "\x00\a\b\x1b\t\r\u009b\u202e\u200d"); i >= 0 {
		t.Errorf("%s: a control character reached the terminal: %q", what, text[max(i-20, 0):min(i+20, len(text))])
	}
}

// What people see on a terminal of 80 columns fits it, and nothing binary reaches it.
func TestTerminal(t *testing.T) {
	p := standalone(t)
	p.write(t, "/api/v1/activity-logs", `{"action":"`+strings.Repeat("long ", 40)+`","serial":"d"}`)
	url := "--url=http://" + p.addr
	for _, args := range [][]string{
		nil, {"key"}, {"--help"}, {"export", "--help"}, {"key", "create", "--help"}, {"tail", "--help"}, {"top", "--help"}, {"completion", "--help"}, {"ids", "9007199254740991", "act-7"},
	} {
		shown, code := onTerminal(t, "activityctl", args...)
		if code != 0 {
			t.Errorf("%v: exit %d: %s", args, code, shown)
		}
		checkShown(t, strings.Join(args, " "), shown, 80)
	}
	if shown, code := onTerminal(t, "activityctl", "export", url, "--format=parquet"); code != 2 || strings.Contains(shown, "PAR1") || !strings.Contains(shown, "--out") {
		t.Errorf("parquet on a terminal: got exit %d and %q, want 2 and what to do", code, shown)
	}
}
