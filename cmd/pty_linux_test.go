package cmd_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// onTerminal runs a command on a terminal of 80 columns, and returns what it shows.
func onTerminal(t *testing.T, name string, args ...string) (shown string, exit int) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, name), args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = clean(nil), slave, slave, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	text, _ := io.ReadAll(master) // EIO when the command has ended
	_ = cmd.Wait()
	return strings.ReplaceAll(string(text), "\r\n", "\n"), cmd.ProcessState.ExitCode()
}

// What people see on a terminal of 80 columns fits it, and nothing binary reaches it.
func TestTerminal(t *testing.T) {
	p := standalone(t)
	p.write(t, "/api/v1/activity-logs", `{"action":"`+strings.Repeat("long ", 40)+`","serial":"d"}`)
	url := "--url=http://" + p.addr
	for _, args := range [][]string{
		nil, {"key"}, {"--help"}, {"export", "--help"}, {"key", "create", "--help"}, {"tail", "--help"}, {"ids", "9007199254740991", "act-7"},
	} {
		shown, code := onTerminal(t, "activityctl", args...)
		if code != 0 {
			t.Errorf("%v: exit %d: %s", args, code, shown)
		}
		for line := range strings.SplitSeq(shown, "\n") {
			if len([]rune(line)) > 80 {
				t.Errorf("%v: %d columns: %s", args, len([]rune(line)), line)
			}
		}
	}
	if shown, code := onTerminal(t, "activityctl", "export", url, "--format=parquet"); code != 2 || strings.Contains(shown, "PAR1") || !strings.Contains(shown, "--out") {
		t.Errorf("parquet on a terminal: got exit %d and %q, want 2 and what to do", code, shown)
	}
}
