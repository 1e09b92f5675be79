// Package service is what every process of an installation shares: settings from flags, environment and file, a log, an
// HTTP server with its health endpoints, and a stack of parts that start in order and drain in the opposite order.
//
// It promises an operator: every fault of a configuration is named at once; a dependency that is away is waited for and
// named by /readyz; SIGTERM and SIGINT drain within 10 s and exit 0; and the exit code says what kind of fault it was.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Exit codes, from sysexits.h where it has one. After SIGTERM and SIGINT it is 0.
const (
	ExitFailure = 1
	ExitUsage   = 2
	ExitMissing = 69 // EX_UNAVAILABLE: something that the process cannot do without, and that waiting does not bring
	ExitConfig  = 78 // EX_CONFIG
)

var (
	// ErrUsage is the fault of a command line.
	ErrUsage = errors.New("wrong usage")
	// ErrConfig is the fault of a setting.
	ErrConfig = errors.New("wrong configuration")
	// ErrMissing is the fault of a thing that the process cannot do without, such as a data folder that another one holds.
	ErrMissing = errors.New("cannot run here")
)

// Version is set by the linker.
var Version = "dev"

// Config is the settings of a process: a struct of flags that embeds Common.
type Config interface {
	common() *Common
	Defaults()       // sets what a setting is where nobody sets it
	Validate() error // every fault, joined
}

// Main runs a process until it is told to end, and exits. run starts the parts and waits; what it has started is drained
// after it, however it ends.
func Main(name, help string, cfg Config, run func(ctx context.Context, p *Process) error) {
	env := environment{args: os.Args[1:], lookup: os.LookupEnv, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(env.main(name, help, cfg, run))
}

// Tool runs a command that does one thing and exits. It is told which command was chosen, and writes to standard output.
func Tool(name, help string, cfg Config, run func(ctx context.Context, command string) error) {
	env := environment{args: os.Args[1:], lookup: os.LookupEnv, stdout: os.Stdout, stderr: os.Stderr}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	command, done, err := env.settings(name, help, cfg)
	if err == nil && !done {
		err = run(ctx, command)
	}
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	}
	os.Exit(exitCode(err))
}

// environment is what a process is given from outside.
type environment struct {
	args           []string
	lookup         func(name string) (string, bool)
	stdout, stderr io.Writer
}

func (e environment) main(name, help string, cfg Config, run func(context.Context, *Process) error) (exit int) {
	_, done, err := e.settings(name, help, cfg)
	if err != nil {
		fmt.Fprintf(e.stderr, "%s: %v\n", name, err)
		return exitCode(err)
	}
	if done {
		return 0
	}
	log := newLog(e.stderr, cfg.common().LogLevel).With("service", name)
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	p := NewProcess(log, reg)
	err = run(ctx, p)
	if ctx.Err() != nil {
		log.Info("draining")
		err = nil // what was cut off by the signal is no failure
	}
	err = errors.Join(err, p.Drain())
	if err != nil {
		log.Error("ended", "error", err)
		return exitCode(err)
	}
	log.Info("ended")
	return 0
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrUsage):
		return ExitUsage
	case errors.Is(err, ErrConfig):
		return ExitConfig
	case errors.Is(err, ErrMissing):
		return ExitMissing
	}
	return ExitFailure
}

// build is the version, and the commit that the compiler recorded, if it did.
func build() (version, commit string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Version, ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return Version, commit
}
