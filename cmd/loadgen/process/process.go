// Package process runs the services under test as child processes: it starts, kills, stops and resumes them, stores their output, and
// reads from /proc what they use. Children die with their parent.
package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Spec describes a process, which is started in the same way each time.
type Spec struct {
	Name string
	Path string
	Args []string
	Env  []string // beside PATH, HOME and CHDB_LIB_PATH; "NAME=value"
	Log  string   // file that its output is appended to
}

// Process is a child process and its restarts. It is safe for concurrent use.
type Process struct {
	Spec

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has been waited for
	exit  error
	past  time.Duration // CPU of earlier runs
	peak  int64         // highest resident memory of earlier runs, bytes
	lives int
}

// New returns a process that is not started.
func New(s Spec) *Process { return &Process{Spec: s} }

// Start starts the process; an error if it runs.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return fmt.Errorf("start %s: it is already running", p.Name)
	}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	defer log.Close()
	p.lives++
	fmt.Fprintf(log, "--- %s: life %d\n", p.Name, p.lives)
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Env = append(inherited(), p.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	p.cmd, p.ended = cmd, make(chan struct{})
	go p.wait(cmd, p.ended)
	return nil
}

// wait closes ended after the process has exited.
func (p *Process) wait(cmd *exec.Cmd, ended chan struct{}) {
	err := cmd.Wait()
	p.mu.Lock()
	p.exit = err
	if cmd.ProcessState != nil {
		p.past += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		p.peak = max(p.peak, maxResident(cmd.ProcessState))
	}
	p.mu.Unlock()
	close(ended)
}

func inherited() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "CHDB_LIB_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// running must be called with mu held.
func (p *Process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Running reports whether the process runs.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running()
}

// Signal sends sig; an error if the process does not run.
func (p *Process) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return fmt.Errorf("signal %s: %w", p.Name, os.ErrProcessDone)
	}
	return p.cmd.Process.Signal(sig)
}

// Kill sends SIGKILL and waits until the process has exited.
func (p *Process) Kill() { _ = p.end(syscall.SIGKILL, time.Minute) }

// Stop sends SIGTERM. It returns an error if the process takes longer than timeout, or if it does not exit with 0.
func (p *Process) Stop(timeout time.Duration) error {
	err := p.end(syscall.SIGTERM, timeout)
	if err != nil {
		p.Kill()
	}
	return err
}

func (p *Process) end(sig syscall.Signal, timeout time.Duration) error {
	p.mu.Lock()
	ended, running := p.ended, p.running()
	if running {
		_ = p.cmd.Process.Signal(sig)
		_ = p.cmd.Process.Signal(syscall.SIGCONT)
	}
	p.mu.Unlock()
	if !running {
		return nil
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		return fmt.Errorf("%s did not exit within %v", p.Name, timeout)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var status *exec.ExitError
	if sig == syscall.SIGTERM && errors.As(p.exit, &status) {
		return fmt.Errorf("%s: %w", p.Name, p.exit)
	}
	return nil
}

// Usage is what a process has used over all its restarts.
type Usage struct {
	CPU  time.Duration // user and system
	Peak int64         // highest resident memory, bytes
}

// Usage returns what p has used so far.
func (p *Process) Usage() Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := Usage{CPU: p.past, Peak: p.peak}
	if p.running() {
		cpu, peak := read(p.cmd.Process.Pid)
		u.CPU += cpu
		u.Peak = max(u.Peak, peak)
	}
	return u
}

// Resident returns the current resident memory in bytes; 0 if the process does not run.
func (p *Process) Resident() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return 0
	}
	return resident(p.cmd.Process.Pid)
}
