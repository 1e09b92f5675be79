package service

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// adoptDefaults makes the current values the defaults of their flags, so that no tag repeats what Defaults says. kong resets a flag
// without a default to zero.
func adoptDefaults(flags []*kong.Flag) {
	for _, f := range flags {
		f.Default, f.HasDefault = defaultOf(f)
		if values := f.Tag.Get("oneof"); values != "" { // kong accepts its own tag, enum, only beside a tag default
			f.Enum, f.Tag.Enum = values, values
		}
	}
}

// defaultOf returns the current value of a flag as text; false if help need not show it.
func defaultOf(f *kong.Flag) (text string, ok bool) {
	switch v := f.Target.Interface().(type) {
	case string:
		return v, v != ""
	case Secret:
		return v.Reveal(), v != ""
	case *string: // nil: absent is something else than empty
		return "", false
	case []string:
		return strings.Join(v, ","), len(v) > 0
	case bool:
		if !v { // describe shows false
			return "", false
		}
		return "true", true
	case time.Duration:
		return shortDuration(v), true
	case slog.Level:
		return strings.ToLower(v.String()), true
	default:
		return fmt.Sprint(v), true
	}
}

// shortDuration writes 24h for 24h0m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Setting describes a flag and its environment variables.
type Setting struct {
	Flag, Default, Help string
	Env                 []string
}

// describe lists every setting once. Flags that only print something, such as --version, have no variable and are left out.
func describe(parser *kong.Kong) []Setting {
	var all []Setting
	seen := map[string]bool{}
	for _, f := range flagsOf(parser.Model.Node) {
		if len(f.Envs) == 0 || seen[f.Name] {
			continue
		}
		seen[f.Name] = true
		s := Setting{Flag: "--" + f.Name, Default: f.Default, Help: f.Help, Env: f.Envs}
		if secret(f) {
			s.Env = append(s.Env, f.Envs[0]+"_FILE")
		}
		if s.Default == "" && f.IsBool() {
			s.Default = "false"
		}
		all = append(all, s)
	}
	return all
}
