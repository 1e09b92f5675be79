package service

import (
	_ "embed" // the names of all settings
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/activitylog/activitylog/schema"
)

// names lists the variables of all binaries, one per line: one file may hold the settings of all of them. make docs writes it.
//
//go:embed names.txt
var names string

// unknown returns what is wrong with the names in the file: a name that no binary has is a typing error.
func (s *sources) unknown() (all []string) {
	known := strings.Fields(names)
	for _, name := range slices.Sorted(maps.Keys(s.file)) {
		if slices.Contains(known, name) {
			continue
		}
		text := fmt.Sprintf("%s: is not a setting, but %s sets it", name, s.path)
		if near := nearest(name, known); near != "" {
			text += "; did you mean " + near + "?"
		}
		all = append(all, text)
	}
	return all
}

// nearest returns the name that differs from text by at most two typing errors; empty if there is none.
func nearest(text string, known []string) string {
	best, near := 3, ""
	for _, name := range known {
		if d := schema.Edits(strings.ToUpper(text), name); d < best && d < len(name)/2 {
			best, near = d, name
		}
	}
	return near
}

// faults returns an error for each line of the file and each value that cannot be read; kong returns the first only.
func (s *sources) faults(flags []*kong.Flag) []error {
	var all []error
	if s.broken != nil {
		for line := range strings.SplitSeq(s.broken.Error(), "\n") {
			all = append(all, fmt.Errorf("ENV_FILE: %s: %s", s.path, line))
		}
	}
	for _, f := range flags {
		value, name, err := s.find(f)
		if err != nil {
			all = append(all, err)
		} else if name != "" {
			if err := parse(f, value); err != nil {
				all = append(all, fmt.Errorf("%s: %w", name, err))
			}
		}
	}
	return all
}

// parse returns what is wrong with a value, without the value of a secret.
func parse(f *kong.Flag, value string) error {
	defer func(set bool) { f.Set = set }(f.Set)
	if f.Enum != "" {
		values := []string{value}
		if f.IsSlice() {
			values = strings.Split(value, ",")
		}
		for _, v := range values {
			if !f.EnumMap()[v] {
				return fmt.Errorf("must be one of %s, but is %q", f.Enum, v)
			}
		}
	}
	err := f.Parse(kong.Scan().PushTyped(value, kong.FlagValueToken), reflect.New(f.Target.Type()).Elem())
	switch want := wanted(f); {
	case err == nil:
		return nil
	case want != "":
		return fmt.Errorf("want %s, but it is %q", want, value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "--"+f.Name+": "))
}

// wanted describes the values of a flag; empty if its own errors do.
func wanted(f *kong.Flag) string {
	switch f.Target.Interface().(type) {
	case time.Duration:
		return "a duration, such as 10s, 5m or 24h"
	case bool:
		return "true or false"
	case slog.Level:
		return "debug, info, warn or error"
	}
	switch f.Target.Kind() {
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number, not negative"
	case reflect.Float64:
		return "a number"
	}
	return ""
}

// Named returns the faults that validate finds in c, each with the variables that cause it: those whose default would remove the fault or,
// if there are none, those that cause it alone. A package's Config does not know the names of variables.
func Named[C any](c, defaults C, validate func(C) error) error {
	var all []error
	for _, fault := range lines(validate(c)) {
		causes := causesOf(c, defaults, func(without C) bool { return !slices.Contains(lines(validate(without)), fault) })
		if len(causes) == 0 {
			causes = causesOf(defaults, c, func(alone C) bool { return slices.Contains(lines(validate(alone)), fault) })
		}
		if len(causes) > 0 {
			fault = strings.Join(causes, ", ") + ": " + fault
		}
		all = append(all, errors.New(fault))
	}
	return errors.Join(all...)
}

// causesOf returns the variables of c for which test holds when only they have the value of other.
func causesOf[C any](c, other C, test func(C) bool) (variables []string) {
	t := reflect.TypeFor[C]()
	for i := range t.NumField() {
		changed := c
		variable := t.Field(i).Tag.Get("env")
		if variable == "" {
			continue
		}
		reflect.ValueOf(&changed).Elem().Field(i).Set(reflect.ValueOf(other).Field(i))
		if test(changed) {
			variables = append(variables, variable)
		}
	}
	return variables
}

func lines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

// CheckAddr returns what is wrong with the value of a variable that holds a host:port.
func CheckAddr(variable, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%s: want host:port, such as 127.0.0.1:8080, but it is %q", variable, addr)
	}
	return nil
}

// noise lists the parts of library messages that help only programmers, and what to replace them by.
var noise = []struct {
	text  *regexp.Regexp
	stays string
}{
	{regexp.MustCompile(`\b[a-z]\w*\.(\(\*?\w+\)\.)?[A-Z]\w*: `), ""},                                      // kafka.(*Client).Metadata:
	{regexp.MustCompile(`\b(failed to query server hello( info)?|sendQuery): `), ""},                       // of clickhouse-go
	{regexp.MustCompile(`\[HTTP \d+\] code: (\d+), message: `), ""},                                        // of clickhouse-go
	{regexp.MustCompile(`\b(Get|Post|Put|Delete|Head) \\?"[^"]*\\?": `), ""},                               // Get "http://user:***@host/path?query":
	{regexp.MustCompile(`\b(dial tcp: )?lookup (\S+)( on \S+)?: `), "$2: "},                                // dial tcp: lookup name on 10.0.0.1:53:
	{regexp.MustCompile(`\b(dial|read|write) (tcp|udp) (\S+->)?(\S+): ((connect|read|write): )?`), "$4: "}, // dial tcp 127.0.0.1:1: connect:
}

// Plain removes names of functions and addresses of requests from the text of an error.
func Plain(text string) string {
	for _, n := range noise {
		text = n.text.ReplaceAllString(text, n.stays)
	}
	return text
}
