// Package process runs the services under test as child processes: it starts, kills, stops and resumes them, keeps what
// they print, and reads from /proc what they cost. Children die with their parent.
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

// Spec says how to start a process, each time alike.
type Spec struct {
	Name string
	Path string
	Args []string
	Env  []string // beside PATH, HOME and CHDB_LIB_PATH; "NAME=value"
	Log  string   // file that its output is appended to
}

// Process is one child and its successors. It is safe for concurrent use.
type Process struct {
	Spec

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has been waited for
	exit  error
	past  time.Duration // CPU of earlier lives
	peak  int64         // highest resident memory of earlier lives, bytes
	lives int
}

// New makes a process that has not been started.
func New(s Spec) *Process { return &Process{Spec: s} }

// Start starts it; an error if it runs.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return fmt.Errorf("start %s: it runs", p.Name)
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

// wait is awaited through ended by whoever ends the process.
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

// running wants mu held.
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

// Running says whether it lives.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running()
}

// Signal sends sig to it; an error if it does not run.
func (p *Process) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return fmt.Errorf("signal %s: %w", p.Name, os.ErrProcessDone)
	}
	return p.cmd.Process.Signal(sig)
}

// Kill ends it with SIGKILL and waits until it is gone.
func (p *Process) Kill() { _ = p.end(syscall.SIGKILL, time.Minute) }

// Stop ends it with SIGTERM; its error is that it took longer than patience, or how it exited.
func (p *Process) Stop(patience time.Duration) error {
	err := p.end(syscall.SIGTERM, patience)
	if err != nil {
		p.Kill()
	}
	return err
}

func (p *Process) end(sig syscall.Signal, patience time.Duration) error {
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
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		return fmt.Errorf("%s did not end within %v", p.Name, patience)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var status *exec.ExitError
	if sig == syscall.SIGTERM && errors.As(p.exit, &status) {
		return fmt.Errorf("%s: %w", p.Name, p.exit)
	}
	return nil
}

// Usage is what a process has cost in all its lives.
type Usage struct {
	CPU  time.Duration // user and system
	Peak int64         // highest resident memory, bytes
}

// Usage reads what p has cost so far.
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

// Resident is its resident memory now, in bytes; 0 if it does not run.
func (p *Process) Resident() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return 0
	}
	return resident(p.cmd.Process.Pid)
}
