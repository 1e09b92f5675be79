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

// settings fills cfg and returns the chosen command. done means that only help, version, settings or a check was asked for, and has
// been printed.
func (e environment) settings(name, help string, cfg Config) (command string, done bool, err error) {
	parser, err := newParser(name, help, cfg)
	if err != nil {
		return "", false, err
	}
	parser.Stdout, parser.Stderr = e.stdout, e.stderr
	parser.Exit = func(int) { done = true } // after --help
	src := &sources{lookup: e.lookup}
	if err := src.load(e.args); err != nil {
		return "", false, err
	}
	if err := kong.Resolvers(src).Apply(parser); err != nil {
		return "", false, fmt.Errorf("resolve settings: %w", err)
	}
	chosen, err := parser.Parse(e.args)
	c := cfg.common()
	switch {
	case done:
		return "", true, nil
	case c.Version:
		version, commit := build()
		fmt.Fprintln(e.stdout, strings.TrimSpace(name+" "+version+" "+commit))
		return "", true, nil
	case c.Settings:
		return "", true, json.NewEncoder(e.stdout).Encode(describe(parser))
	case err != nil:
		return "", false, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	faults := src.faults(chosen.Flags())
	return chosen.Command(), c.JustCheck, e.report(name, errors.Join(append(faults, cfg.Validate())...), c.JustCheck)
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

// sources are where a setting comes from if no flag sets it: the environment before the file.
type sources struct {
	lookup func(name string) (string, bool)
	file   map[string]string
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
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	defer f.Close()
	if s.file, err = parseEnv(f); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrConfig, path, err)
	}
	return nil
}

// parseEnv reads NAME=value lines. It skips empty lines and lines that begin with #, and strips quotes around a value. Nothing in a
// value is expanded or cut off, unlike in godotenv: passwords may hold $ and #.
func parseEnv(r io.Reader) (map[string]string, error) {
	values := map[string]string{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, fmt.Errorf("line %d: want NAME=value", n)
		}
		values[name] = unquote(strings.TrimSpace(value))
	}
	return values, lines.Err()
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
		return nil, nil // faults reports it; the default stands in, so that the other settings are checked too
	}
	return value, nil
}

// faults returns an error for each value that its flag cannot take; kong returns the first only.
func (s *sources) faults(flags []*kong.Flag) []error {
	var all []error
	for _, f := range flags {
		value, name, err := s.find(f)
		if err == nil && name != "" {
			err = parse(f, value)
		}
		if err != nil {
			all = append(all, fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "--"+f.Name+": ")))
		}
	}
	return all
}

func parse(f *kong.Flag, value string) error {
	defer func(set bool) { f.Set = set }(f.Set)
	if f.Enum != "" && !f.EnumMap()[value] {
		return fmt.Errorf("must be one of %s, but is %q", f.Enum, value)
	}
	return f.Parse(kong.Scan().PushTyped(value, kong.FlagValueToken), reflect.New(f.Target.Type()).Elem())
}
