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

// read returns what a running process has used: CPU time, and its highest resident memory in bytes. Zero without /proc.
func read(pid int) (cpu time.Duration, peak int64) {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		cpu = cpuOf(stat)
	}
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
		peak = kilobytes(status, "VmHWM:") << 10
	}
	return cpu, peak
}

func resident(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	return kilobytes(status, "VmRSS:") << 10
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

// maxResident returns bytes; ru_maxrss is in kB on Linux (getrusage(2)).
func maxResident(s *os.ProcessState) int64 {
	if r, ok := s.SysUsage().(*syscall.Rusage); ok {
		return int64(r.Maxrss) << 10
	}
	return 0
}

// Self returns what this process has used itself.
func Self() Usage {
	cpu, peak := read(os.Getpid())
	return Usage{cpu, peak}
}

// Machine returns the CPU time that this machine has used since it was booted; 0 without /proc.
func Machine() time.Duration {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	var busy int64
	for i, f := range bytes.Fields(line) {
		n, _ := strconv.ParseInt(string(f), 10, 64)
		if i >= 1 && i <= 8 && i != 4 && i != 5 { // user nice system idle iowait irq softirq steal, proc_stat(5)
			busy += n
		}
	}
	return time.Duration(busy) * tick
}

// Family returns what this process and the children that it has waited for have used.
func Family() time.Duration {
	var self, children syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &self)
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children)
	var sum time.Duration
	for _, t := range []syscall.Timeval{self.Utime, self.Stime, children.Utime, children.Stime} {
		sum += time.Duration(t.Nano())
	}
	return sum
}
