package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// A tick of /proc/<pid>/stat is 1/100 s on every Linux (USER_HZ, proc(5)).
const tick = 10 * time.Millisecond

// read is what a living process has used: CPU time, and its highest resident memory in bytes. Zero where there is no /proc.
func read(pid int) (cpu time.Duration, peak int64) {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		cpu = cpuOf(stat)
	}
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
		peak = kilobytes(status, "VmHWM:") << 10
	}
	return cpu, peak
}

// cpuOf adds utime and stime, fields 14 and 15; the name in field 2 may hold anything but ends at the last parenthesis.
func cpuOf(stat []byte) time.Duration {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(string(fields[11]), 10, 64)
	system, _ := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * tick
}

func kilobytes(status []byte, name string) int64 {
	_, rest, ok := bytes.Cut(status, []byte(name))
	if !ok {
		return 0
	}
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return n
}

// maxResident is in bytes; ru_maxrss is in kB on Linux (getrusage(2)).
func maxResident(s *os.ProcessState) int64 {
	if r, ok := s.SysUsage().(*syscall.Rusage); ok {
		return int64(r.Maxrss) << 10
	}
	return 0
}

// Self is what this process has used itself.
func Self() Usage {
	cpu, peak := read(os.Getpid())
	return Usage{cpu, peak}
}
