package testbed

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// removeAfter removes a folder once this process is gone, however it goes: a test binary has no hook for its end. A process
// whose number stands in the folder's file pid is ended before. The remover has a session of its own, so that it outlives the
// others when a terminal's processes are ended together.
func removeAfter(folder string) {
	wait := exec.Command("sh", "-c", `while kill -0 "$1" 2>/dev/null; do sleep 1; done
		if [ -e "$0/pid" ]; then kill -9 "$(cat "$0/pid")"; fi; rm -rf "$0"`, folder, strconv.Itoa(os.Getpid()))
	wait.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if wait.Start() == nil {
		_ = wait.Process.Release()
	}
}
