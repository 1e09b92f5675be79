package testbed

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// removeAfter removes a folder after this process has ended, in whatever way: a test binary has no hook for its end. If the folder
// has a file pid, the process with that id is killed first. The remover has its own session, so that it survives when all processes
// of a terminal are ended together.
func removeAfter(folder string) {
	wait := exec.Command("sh", "-c", `while kill -0 "$1" 2>/dev/null; do sleep 1; done
		if [ -e "$0/pid" ]; then kill -9 "$(cat "$0/pid")"; fi; rm -rf "$0"`, folder, strconv.Itoa(os.Getpid()))
	wait.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if wait.Start() == nil {
		_ = wait.Process.Release()
	}
}
