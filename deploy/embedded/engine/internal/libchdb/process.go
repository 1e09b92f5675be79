package libchdb

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/unix"
)

// guarded lists the signals whose actions libchdb replaces on every connect, and SIGURG, with which Go preempts goroutines.
var guarded = []syscall.Signal{
	syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGFPE, syscall.SIGBUS, syscall.SIGSEGV, syscall.SIGSYS,
	syscall.SIGPIPE, syscall.SIGURG,
}

// useUTC sets the engine's time zone to UTC. The engine reads it only from C's environment; Go's environment is unchanged.
func useUTC() error {
	libc, err := purego.Dlopen(libcName, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("find libc: %w", err)
	}
	var setenv func(name, value string, overwrite int32) int32
	purego.RegisterLibFunc(&setenv, libc, "setenv")
	if setenv("TZ", "UTC", 1) != 0 {
		return errors.New("set the engine's time zone")
	}
	return nil
}

// leaveInput replaces the process's standard input by an empty one. Like clickhouse-local, libchdb would read rows from it even for
// an INSERT … VALUES with rows of its own, and it makes it non-blocking for all other processes that have it open.
func leaveInput() error {
	empty, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("replace standard input: %w", err)
	}
	defer func() { _ = empty.Close() }()
	if err := unix.Dup2(int(empty.Fd()), int(os.Stdin.Fd())); err != nil {
		return fmt.Errorf("replace standard input: %w", err)
	}
	return nil
}

// signalActions are the process's actions for the guarded signals, as libc stores them.
type signalActions struct {
	sigaction func(sig int32, set, old unsafe.Pointer) int32
	saved     [][256]byte // struct sigaction is 152 bytes on Linux and 16 on macOS
}

func saveSignalActions() (*signalActions, error) {
	libc, err := purego.Dlopen(libcName, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("find libc: %w", err)
	}
	s := &signalActions{saved: make([][256]byte, len(guarded))}
	purego.RegisterLibFunc(&s.sigaction, libc, "sigaction")
	for i, sig := range guarded {
		if s.sigaction(int32(sig), nil, unsafe.Pointer(&s.saved[i])) != 0 {
			return nil, fmt.Errorf("read the action of signal %v", sig)
		}
	}
	return s, nil
}

func (s *signalActions) restore() {
	for i, sig := range guarded {
		s.sigaction(int32(sig), unsafe.Pointer(&s.saved[i]), nil)
	}
}
