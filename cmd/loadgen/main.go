// Loadgen generates load and faults for activitylog, verifies that exactly what was acknowledged is stored, and measures: send, verify,
// chaos, bench, profile. It exits with 1 if a promise was broken.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/cmd/loadgen/bench"
	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/cmd/loadgen/stats"
)

// errBroken means that a run found a broken promise, which it has printed.
var errBroken = errors.New("a promise was broken")

// output is where a command prints its result.
type output struct {
	json     bool
	to       term.Output
	progress *stats.Progress
}

// say prints a line of the result.
func (o *output) say(format string, args ...any) {
	o.progress.Clear()
	fmt.Fprintf(o.to, format+"\n", args...)
}

// table prints a table: for people on a terminal, elsewhere as Markdown, for reports.
func (o *output) table(t *term.Table) {
	o.progress.Clear()
	write := t.Markdown
	if o.to.Width > 0 {
		write = t.Print
	}
	if err := write(o.to); err != nil {
		o.progress.Say("print the table: %v", err)
	}
}

// result prints v as JSON with --json, otherwise calls text.
func (o *output) result(v any, text func()) error {
	if !o.json {
		text()
		return nil
	}
	enc := json.NewEncoder(o.to)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

type cli struct {
	JSON  bool        `help:"Print the result as JSON." name:"json"`
	Color term.Colors `help:"When to print colours: auto, always or never." enum:"auto,always,never" default:"auto"`

	Send    sendCmd    `cmd:"" help:"Send entries and report the rate and the latency."`
	Verify  verifyCmd  `cmd:"" help:"Compare what is stored with a journal of what was acknowledged."`
	Chaos   chaosCmd   `cmd:"" help:"Run the services, break them under load, and verify that no entry is lost, stored twice or resurrected."`
	Bench   benchCmd   `cmd:"" help:"Measure, with the limits of the machine beside the figures."`
	Profile profileCmd `cmd:"" help:"Write CPU and allocation profiles of the services under load."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	var c cli
	parser, err := kong.New(&c, kong.Name("loadgen"), kong.Description("Load, faults and measurements for activitylog."), kong.UsageOnError(),
		kong.Vars{"faults": strings.Join(chaos.Faults, ","), "parts": strings.Join(bench.Parts, ",")})
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		return 1
	}
	cmd, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		return 2
	}
	out := &output{json: c.JSON, to: term.To(os.Stdout, c.Color), progress: stats.NewProgress(os.Stderr)}
	cmd.BindTo(ctx, (*context.Context)(nil))
	if err := cmd.Run(out); err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		return 1
	}
	return 0
}
