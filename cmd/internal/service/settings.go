package service

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Common are the settings of every process.
type Common struct {
	LogLevel  slog.Level `help:"Lowest level to log: debug, info, warn or error." env:"LOG_LEVEL"`
	EnvFile   string     `help:"File of NAME=value lines. Flags and environment variables override it." placeholder:"FILE" env:"ENV_FILE"`
	JustCheck bool       `name:"check" help:"Report every fault of the settings, and exit."`
	Version   bool       `help:"Print the version, and exit."`
	Settings  bool       `hidden:"" help:"Print the settings as JSON, and exit."`
}

func (c *Common) common() *Common { return c }

// Secret is a setting that prints as ***.
type Secret string

func (Secret) String() string { return "***" }

// GoString keeps the value out of %#v.
func (Secret) GoString() string { return "***" }

// LogValue keeps the value out of logs.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// Reveal returns the value.
func (s Secret) Reveal() string { return string(s) }

// chosen is the outcome of parsing the command line.
type chosen struct {
	command string
	done    bool     // only help, version, settings or a check was asked for, and has been printed
	unknown []string // what is wrong with the names in the file of settings; nothing that keeps a process from running
}

// settings fills cfg.
func (e environment) settings(name, help string, cfg Config) (c chosen, err error) {
	parser, err := newParser(name, help, cfg)
	if err != nil {
		return c, err
	}
	parser.Stdout, parser.Stderr = e.stdout, e.stderr
	parser.Exit = func(int) { c.done = true } // after --help
	src := &sources{lookup: e.lookup}
	if err := src.load(e.args); err != nil {
		return c, err
	}
	if err := kong.Resolvers(src).Apply(parser); err != nil {
		return c, fmt.Errorf("resolve settings: %w", err)
	}
	parsed, err := parser.Parse(e.args)
	common := cfg.common()
	switch {
	case c.done:
		return c, nil
	case common.Version:
		version, commit := build()
		fmt.Fprintln(e.stdout, strings.TrimSpace(name+" "+version+" "+commit))
		return chosen{done: true}, nil
	case common.Settings:
		return chosen{done: true}, json.NewEncoder(e.stdout).Encode(describe(parser))
	case err != nil && helps(parser, e.args, err):
		return c, nil
	case err != nil:
		return c, fmt.Errorf("%w: %w%s", ErrUsage, err, after(parser, err))
	}
	faults := append(src.faults(parsed.Flags()), cfg.Validate())
	c.command, c.done = parsed.Command(), common.JustCheck
	if !common.JustCheck {
		c.unknown = src.unknown()
		return c, e.report(name, errors.Join(faults...), false)
	}
	for _, u := range src.unknown() {
		faults = append(faults, errors.New(u))
	}
	return c, e.report(name, errors.Join(faults...), true)
}

// helps prints help if the command line ends before its command, and reports whether it did.
func helps(parser *kong.Kong, args []string, err error) bool {
	var incomplete *kong.ParseError
	if !errors.As(err, &incomplete) || !strings.HasPrefix(err.Error(), "expected ") || slices.Contains(args, "--check") {
		return false
	}
	n := parser.Model.Node
	if at := incomplete.Context.Selected(); at != nil {
		n = at
	}
	if len(n.Children) == 0 { // a command that lacks an argument
		return false
	}
	_, _ = parser.Parse(append(slices.Clone(args), "--help"))
	return true
}

// after explains where a flag belongs that was written before its command; empty if err is another error.
func after(parser *kong.Kong, err error) string {
	rest, ok := strings.CutPrefix(err.Error(), "unknown flag --")
	name := strings.FieldsFunc(rest+" ", func(r rune) bool { return r == ',' || r == ' ' || r == '=' })
	if ok && len(name) > 0 && slices.ContainsFunc(flagsOf(parser.Model.Node), func(f *kong.Flag) bool { return f.Name == name[0] }) {
		return " here: write it after the command that has it"
	}
	return ""
}

// report returns the faults, one per line.
func (e environment) report(name string, faults error, asked bool) error {
	if faults != nil {
		return fmt.Errorf("%w:\n  %s", ErrConfig, strings.ReplaceAll(faults.Error(), "\n", "\n  "))
	}
	if asked {
		fmt.Fprintf(e.stdout, "%s: the settings are valid\n", name)
	}
	return nil
}

func newParser(name, help string, cfg Config) (*kong.Kong, error) {
	cfg.Defaults()
	parser, err := kong.New(cfg, kong.Name(name), kong.Description(help),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}), kong.ValueFormatter(helpOf))
	if err != nil {
		return nil, fmt.Errorf("read settings of %s: %w", name, err)
	}
	flags := flagsOf(parser.Model.Node)
	adoptDefaults(flags)
	for _, f := range flags {
		f.Tag.Envs = nil // kong takes an empty variable as a value, and prefers the file to variables
	}
	hideValidate(parser.Model.Node)
	return parser, nil
}

// Model returns the commands and flags of a tool, for completion. It fills nothing.
func Model(name, help string, cfg Config) (*kong.Node, error) {
	parser, err := newParser(name, help, cfg)
	if err != nil {
		return nil, err
	}
	return parser.Model.Node, nil
}

// Fill fills cfg as Tool does, and prints nothing.
func Fill(name string, cfg Config, args []string) error {
	env := environment{args: args, lookup: os.LookupEnv, stdout: io.Discard, stderr: io.Discard}
	_, err := env.settings(name, "", cfg)
	return err
}

// hideValidate keeps kong from calling Validate on what it fills: kong would report the first fault only, and as wrong usage.
func hideValidate(n *kong.Node) {
	n.Target = reflect.ValueOf(new(struct{})).Elem()
	for _, child := range n.Children {
		hideValidate(child)
	}
}

// helpOf adds the environment variable to a flag's help.
func helpOf(v *kong.Value) string {
	if v.Flag == nil || len(v.Flag.Envs) == 0 {
		return v.Help
	}
	return v.Help + " ($" + v.Flag.Envs[0] + ")"
}

// flagsOf returns the flags of a command and of the commands below it, without --help.
func flagsOf(n *kong.Node) []*kong.Flag {
	flags := slices.DeleteFunc(slices.Clone(n.Flags), func(f *kong.Flag) bool { return f.Name == "help" })
	for _, child := range n.Children {
		flags = append(flags, flagsOf(child)...)
	}
	return flags
}

// sources has the values of settings that no flag sets: from the environment, then from the file.
type sources struct {
	lookup func(name string) (string, bool)
	path   string // of the file; empty without one
	file   map[string]string
	broken error // what is wrong with the lines of the file
}

// load reads the file that --env-file or ENV_FILE names.
func (s *sources) load(args []string) error {
	path, _ := s.lookup("ENV_FILE")
	for i, a := range args {
		if value, ok := strings.CutPrefix(a, "--env-file="); ok {
			path = value
		} else if a == "--env-file" && i+1 < len(args) {
			path = args[i+1]
		}
	}
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: ENV_FILE: %w", ErrConfig, err)
	}
	defer f.Close()
	s.path = path
	s.file, s.broken = parseEnv(f)
	return nil
}

// parseEnv reads NAME=value lines. It skips empty lines and lines that begin with #, and strips quotes around a value. Nothing in a
// value is expanded or cut off, unlike in godotenv: passwords may hold $ and #. The error joins what is wrong with each line, and
// shows no values.
func parseEnv(r io.Reader) (map[string]string, error) {
	values, at := map[string]string{}, map[string]int{}
	var faults []error
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff")) // as editors on Windows begin a file
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name = strings.TrimSpace(name)
		switch {
		case !ok || name == "":
			faults = append(faults, fmt.Errorf("line %d: want NAME=value", n))
			continue
		case at[name] > 0:
			faults = append(faults, fmt.Errorf("line %d: %s is set in line %d, too", n, name, at[name]))
		}
		values[name], at[name] = unquote(strings.TrimSpace(value)), n
	}
	return values, errors.Join(append(faults, lines.Err())...)
}

func unquote(v string) string {
	if n := len(v); n >= 2 && (v[0] == '"' || v[0] == '\'') && v[n-1] == v[0] {
		return v[1 : n-1]
	}
	return v
}

// find returns the value of a flag and the name of the variable that has it. An empty variable counts as absent.
func (s *sources) find(f *kong.Flag) (value, name string, err error) {
	fromFile := func(name string) (string, bool) { v, ok := s.file[name]; return v, ok }
	for _, get := range []func(string) (string, bool){s.lookup, fromFile} {
		for _, name := range f.Envs {
			if v, ok := get(name); ok && v != "" {
				return v, name, nil
			}
			if !secret(f) {
				continue
			}
			if path, ok := get(name + "_FILE"); ok && path != "" {
				text, err := os.ReadFile(path)
				if err != nil {
					return "", name, fmt.Errorf("%s_FILE: %w", name, err)
				}
				return strings.TrimRight(string(text), "\r\n"), name + "_FILE", nil
			}
		}
	}
	return "", "", nil
}

func secret(f *kong.Flag) bool { return f.Target.Type() == reflect.TypeFor[Secret]() }

// Validate implements kong.Resolver.
func (s *sources) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (s *sources) Resolve(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	value, name, err := s.find(f)
	if err != nil || name == "" || parse(f, value) != nil {
		return nil, nil // faults reports it; the default is used, so that the other settings are checked too
	}
	return value, nil
}
