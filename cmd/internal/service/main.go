// Package service is what every process shares: settings from flags, environment and file, a log, an HTTP server with health
// endpoints, and a stack of parts that start in order and stop in reverse order.
//
// It promises operators: all faults of a configuration are reported at once; the process waits for a dependency that is
// unavailable, and /readyz names it; SIGTERM and SIGINT shut down within 10 s with exit code 0; and the exit code shows the kind of a
// failure.
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

// Exit codes, from sysexits.h where it has one. SIGTERM and SIGINT end with 0.
const (
	ExitFailure = 1
	ExitUsage   = 2
	ExitMissing = 69 // EX_UNAVAILABLE: the process lacks something that waiting does not bring
	ExitConfig  = 78 // EX_CONFIG
)

var (
	// ErrUsage means that the command line is wrong.
	ErrUsage = errors.New("wrong usage")
	// ErrConfig means that a setting is wrong.
	ErrConfig = errors.New("wrong configuration")
	// ErrMissing means that the process cannot run on this machine, for example because another process holds its data folder.
	ErrMissing = errors.New("cannot run here")
)

// Version is the version of the binary; the linker sets it.
var Version = "dev"

// Config is the settings of a process: a struct of flags that embeds Common.
type Config interface {
	common() *Common
	Defaults()       // sets every setting to its default
	Validate() error // every fault, joined
}

// Main runs a process until a signal or an error ends it, and exits. run starts parts and waits; Main stops them however run ends.
func Main(name, help string, cfg Config, run func(ctx context.Context, p *Process) error) {
	env := environment{args: os.Args[1:], lookup: os.LookupEnv, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(env.main(name, help, cfg, run))
}

// Tool runs one command of a command-line tool, and exits. run gets the name of the command and writes to standard output.
func Tool(name, help string, cfg Config, run func(ctx context.Context, command string) error) {
	env := environment{args: os.Args[1:], lookup: os.LookupEnv, stdout: os.Stdout, stderr: os.Stderr}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	if len(env.args) == 0 {
		env.args = []string{"--help"}
	}
	chosen, err := env.settings(name, help, cfg)
	for _, u := range chosen.unknown {
		fmt.Fprintf(os.Stderr, "%s: ignored: %s\n", name, u)
	}
	if err == nil && !chosen.done {
		err = run(ctx, chosen.command)
	}
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	}
	os.Exit(exitCode(err))
}

// environment is the input of a process: arguments, variables and streams.
type environment struct {
	args           []string
	lookup         func(name string) (string, bool)
	stdout, stderr io.Writer
}

func (e environment) main(name, help string, cfg Config, run func(context.Context, *Process) error) (exit int) {
	chosen, err := e.settings(name, help, cfg)
	if err != nil {
		fmt.Fprintf(e.stderr, "%s: %v\n", name, err)
		return exitCode(err)
	}
	if chosen.done {
		return 0
	}
	log := newLog(e.stderr, cfg.common().LogLevel).With("service", name)
	for _, u := range chosen.unknown {
		log.Warn("setting ignored", "error", u)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills the process

	p := NewProcess(log, reg)
	err = run(ctx, p)
	if ctx.Err() != nil {
		log.Info("shutting down")
		err = nil // the signal is the reason
	}
	err = errors.Join(err, p.Drain())
	if err != nil {
		log.Error("process failed", "error", err)
		return exitCode(err)
	}
	log.Info("shutdown complete")
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

// build returns the version, and the commit if the compiler recorded one.
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
