//go:build race && linux

package testbed

import (
	"errors"
	"fmt"

	"github.com/ebitengine/purego"
)

// leaveQuietly makes this process skip libc's exit handlers when it ends. A binary with the race detector ends through exit(3), which
// runs the destructors of the engine's library while its threads run: a segmentation fault after the last test. Handlers run in
// reverse order of registration, and the library registers more while it runs, so the last registration wins. on_exit passes the exit
// code to the handler (glibc, stdlib.h).
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
