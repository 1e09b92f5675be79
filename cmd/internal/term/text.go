// Package term prints for people: texts that cannot control the terminal, tables that fit it, colours where they are wanted, and a
// screen that is given back as it was.
//
// Texts of entries are hostile: anybody may write a log entry. Only what Clean returns may reach a terminal.
package term

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

const (
	mask     = '·' // stands for what must not reach a terminal
	maxMarks = 3   // on one letter: more of them cover the lines above and below
)

// Clean replaces control characters, invisible characters and those that reverse the direction of writing, and bounds the marks on a
// letter. Terminals disagree about joiners, variation selectors and tones of skin, so it removes them from emoji: each emoji then takes
// two columns everywhere.
func Clean(s string) string {
	var b strings.Builder
	base, marks := rune(0), 0 // the last character that is no mark, and the marks on it
	for _, r := range s {
		switch {
		case isMark(r) && base != 0:
			if marks++; marks <= maxMarks {
				b.WriteRune(r)
			}
			continue
		case joins(r) && unicode.Is(unicode.So, base):
			continue
		case isMark(r), !unicode.IsPrint(r), invisible(r):
			r = mask
		}
		base, marks = r, 0
		b.WriteRune(r)
	}
	return strings.TrimRight(b.String(), " ")
}

// isMark reports whether a terminal draws r on the character before it.
func isMark(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me) && !invisible(r) || r > 0x1160 && r <= 0x11ff // vowels and finals of Hangul
}

// joins reports whether r changes the emoji before it or joins it to the next one.
func joins(r rune) bool {
	const joiner = '\u200d'
	return r == joiner || unicode.Is(unicode.Variation_Selector, r) || r >= 0x1f3fb && r <= 0x1f3ff // tones of skin
}

// invisible reports whether r takes space or a meaning without being seen.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Columns is how many columns a text takes that Clean has returned.
func Columns(s string) (n int) {
	for _, r := range s {
		n += columns(r)
	}
	return n
}

func columns(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case isMark(r):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Fit cuts s to n columns, with … where something is missing.
func Fit(s string, n int) string {
	if Columns(s) <= n {
		return s
	}
	if n < 1 {
		return ""
	}
	return head(s, n-1) + "…"
}

// head is the beginning of s, n columns at most.
func head(s string, n int) string {
	for i, r := range s {
		if n -= columns(r); n < 0 {
			return s[:i]
		}
	}
	return s
}

// Cell is s in exactly n columns.
func Cell(s string, n int) string {
	s = Fit(s, n)
	return s + strings.Repeat(" ", max(n-Columns(s), 0))
}

// Wrap divides s into lines of at most n columns, between words where that is possible.
func Wrap(s string, n int) (lines []string) {
	n = max(n, 2)
	line := ""
	for word := range strings.FieldsSeq(s) {
		for Columns(word) > n {
			first := head(word, n)
			if line != "" {
				lines, line = append(lines, line), ""
			}
			lines, word = append(lines, first), strings.TrimPrefix(word, first)
		}
		switch {
		case line == "":
			line = word
		case Columns(line)+1+Columns(word) > n:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
