package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
	textwidth "golang.org/x/text/width"
)

// usual is the width of a table that fits every terminal, in columns.
const usual = 80

// terminal reports whether f is a terminal. Other devices, such as /dev/null, are none.
func terminal(f *os.File) bool {
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

// columnsOf returns how many columns the terminal out has; of other outputs, the usual number.
func columnsOf(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			return int(size.Col)
		}
	}
	return usual
}

// toTerminal reports whether out is a terminal.
func toTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && terminal(f)
}

// printLines prints values as JSON, one per line.
func printLines[T any](out io.Writer, all []T) error {
	enc := json.NewEncoder(out)
	for _, v := range all {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return nil
}

// printable replaces control characters, so that a text cannot control the terminal.
func printable(s string) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s), " ")
}

// columns returns the number of columns that a printable rune takes.
func columns(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r):
		return 0
	case textwidth.LookupRune(r).Kind() == textwidth.EastAsianWide, textwidth.LookupRune(r).Kind() == textwidth.EastAsianFullwidth:
		return 2
	}
	return 1
}

func columnsIn(s string) (n int) {
	for _, r := range s {
		n += columns(r)
	}
	return n
}

// fit cuts s to n columns, with … where something is missing.
func fit(s string, n int) string {
	if columnsIn(s) <= n {
		return s
	}
	var b strings.Builder
	left := n - 1
	for _, r := range s {
		if left -= columns(r); left < 0 {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}

// cell returns s in exactly n columns.
func cell(s string, n int) string {
	s = fit(s, n)
	return s + strings.Repeat(" ", n-columnsIn(s))
}

// wrap divides s into lines of at most n columns, between words where that is possible.
func wrap(s string, n int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(s) {
		for columnsIn(word) > n {
			head := strings.TrimSuffix(fit(word, n+1), "…")
			if line != "" {
				lines, line = append(lines, line), ""
			}
			lines, word = append(lines, head), strings.TrimPrefix(word, head)
		}
		switch {
		case line == "":
			line = word
		case columnsIn(line)+1+columnsIn(word) > n:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// record prints names and values below each other, for what is too wide for a table.
func record(out io.Writer, fields [][2]string) error {
	longest := 0
	for _, f := range fields {
		longest = max(longest, len(f[0]))
	}
	for _, f := range fields {
		if _, err := fmt.Fprintf(out, "%-*s  %s\n", longest, f[0], f[1]); err != nil {
			return err
		}
	}
	return nil
}
