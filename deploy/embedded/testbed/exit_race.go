//go:build race && linux

package testbed

import (
	"errors"
	"fmt"

	"github.com/ebitengine/purego"
)

// leaveQuietly makes the end of this process skip libc's exit handlers. A binary with the race detector ends through
// exit(3), which runs the destructors of the engine's library under its running threads: a segmentation fault after the
// last test. Handlers run in the opposite order of their registration and the library adds its own as it goes, so the one
// that was registered last counts. on_exit hands it the exit code (glibc, stdlib.h).
func leaveQuietly() error {
	libc, err := purego.Dlopen("libc.so.6", purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("find libc: %w", err)
	}
	end, err := purego.Dlsym(libc, "_exit")
	if err != nil {
		return fmt.Errorf("find _exit: %w", err)
	}
	var onExit func(handler, arg uintptr) int32
	purego.RegisterLibFunc(&onExit, libc, "on_exit")
	if onExit(end, 0) != 0 {
		return errors.New("register _exit: no memory")
	}
	return nil
}
