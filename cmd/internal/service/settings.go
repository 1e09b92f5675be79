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
	LogLevel  slog.Level `help:"Least level that is logged: debug, info, warn or error." env:"LOG_LEVEL"`
	EnvFile   string     `help:"File of NAME=value lines; what it sets, flags and environment override." placeholder:"FILE" env:"ENV_FILE"`
	JustCheck bool       `name:"check" help:"Say everything that is wrong with the settings, and exit."`
	Version   bool       `help:"Print the version, and exit."`
	Settings  bool       `hidden:"" help:"Print the settings as JSON, and exit."`
}

func (c *Common) common() *Common { return c }

// Secret is a setting that prints as ***.
type Secret string

func (Secret) String() string { return "***" }

// GoString keeps the value out of %#v, too.
func (Secret) GoString() string { return "***" }

// LogValue keeps the value out of logs.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// Reveal is the value.
func (s Secret) Reveal() string { return string(s) }

// settings fills cfg and returns the command that was chosen. done: the process was only asked for its help, its version or
// a check, which has been printed.
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

// report says what is wrong, one fault a line.
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
		f.Tag.Envs = nil // kong takes a variable that is set but empty for a value, and a file's value over a variable's
	}
	hideValidate(parser.Model.Node)
	return parser, nil
}

// hideValidate keeps kong from calling Validate on what it fills: it would report one fault of a file or a variable as wrong usage.
func hideValidate(n *kong.Node) {
	n.Target = reflect.ValueOf(new(struct{})).Elem()
	for _, child := range n.Children {
		hideValidate(child)
	}
}

// helpOf adds the variable to a flag's help.
func helpOf(v *kong.Value) string {
	if v.Flag == nil || len(v.Flag.Envs) == 0 {
		return v.Help
	}
	return v.Help + " ($" + v.Flag.Envs[0] + ")"
}

// flagsOf are the flags of a command and of the commands below it, without --help.
func flagsOf(n *kong.Node) []*kong.Flag {
	flags := slices.DeleteFunc(slices.Clone(n.Flags), func(f *kong.Flag) bool { return f.Name == "help" })
	for _, child := range n.Children {
		flags = append(flags, flagsOf(child)...)
	}
	return flags
}

// sources are the places, beside the command line, that a setting may come from: environment before file.
type sources struct {
	lookup func(name string) (string, bool)
	file   map[string]string
}

// load reads the file that the command line or the environment names.
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

// parseEnv reads NAME=value lines. Empty lines and those that begin with # say nothing; quotes around a value go.
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

// find is the value of a flag and the name that it was found under. A variable that is empty is as good as absent.
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

// Validate is part of kong.Resolver.
func (s *sources) Validate(*kong.Application) error { return nil }

// Resolve is part of kong.Resolver.
func (s *sources) Resolve(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	value, name, err := s.find(f)
	if err != nil || name == "" || parse(f, value) != nil {
		return nil, nil // faults names it; the default stands in, so that the rest is looked at as well
	}
	return value, nil
}

// faults are all the values that their flags cannot take; kong names the first only.
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
