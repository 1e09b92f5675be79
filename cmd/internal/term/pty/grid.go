// Package pty gives tests a terminal: a pseudo terminal of Linux, and what stands on its screen.
package pty

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/activitylog/activitylog/cmd/internal/term"
)

// Grid is the screen of a terminal. It knows what the commands of this project send, and keeps everything else, to be looked at.
type Grid struct {
	mu       sync.Mutex // guards what follows
	lines    []string
	row      int
	raw      strings.Builder
	unknown  []string // sequences that no command should send
	pending  string   // the beginning of a sequence or a character
	wide     int
	overflow []string // lines that were longer than the terminal when they were written
}

// NewGrid is an empty screen.
func NewGrid(columns, rows int) *Grid { return &Grid{lines: make([]string, rows), wide: columns} }

// Resize changes the size. Text stays as it is, as in a terminal, until it is drawn again.
func (g *Grid) Resize(columns, rows int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wide, g.lines = columns, append(g.lines, make([]string, rows)...)[:rows]
	g.row = min(g.row, rows-1)
}

// Write implements io.Writer.
func (g *Grid) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.raw.Write(p)
	text := g.pending + string(p)
	for text != "" {
		n := g.step(text)
		if n == 0 {
			break
		}
		text = text[n:]
	}
	g.pending = text
	return len(p), nil
}

// step handles the first thing in text, and returns its length; 0 if it is not complete.
func (g *Grid) step(text string) int {
	switch {
	case text[0] == 0x1b:
		return g.sequence(text)
	case text[0] == '\n':
		g.row = min(g.row+1, len(g.lines)-1)
		g.lines[g.row] = ""
		return 1
	case text[0] == '\r':
		return 1
	case !utf8.FullRuneInString(text):
		return 0
	}
	_, n := utf8.DecodeRuneInString(text)
	g.lines[g.row] += text[:n]
	if term.Columns(g.lines[g.row]) > g.wide {
		g.overflow = append(g.overflow, g.lines[g.row])
	}
	return n
}

func (g *Grid) sequence(text string) int {
	if len(text) < 2 || text[1] != '[' {
		g.unknown = append(g.unknown, text[:min(len(text), 2)])
		return 1
	}
	end := strings.IndexFunc(text[2:], func(r rune) bool { return r >= 0x40 && r <= 0x7e })
	if end < 0 {
		return 0
	}
	parameters, final := text[2:end+2], text[end+2]
	switch final {
	case 'm', 'h', 'l': // styles and modes
	case 'H':
		var row, column int
		if _, err := fmt.Sscanf(parameters, "%d;%d", &row, &column); err != nil || column != 1 || row < 1 {
			g.unknown = append(g.unknown, text[:end+3])
		} else {
			g.row = min(row, len(g.lines)) - 1
		}
	case 'K':
		g.lines[g.row] = ""
	case 'J':
		clear(g.lines)
	default:
		g.unknown = append(g.unknown, text[:end+3])
	}
	return end + 3
}

// Text is what stands on the screen.
func (g *Grid) Text() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.lines, "\n")
}

// Raw is everything that was written.
func (g *Grid) Raw() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.raw.String()
}

// Faults are lines that did not fit and sequences that no command should send, both since the last call.
func (g *Grid) Faults() (all []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, line := range g.overflow {
		all = append(all, "too long: "+line)
	}
	for _, s := range g.unknown {
		all = append(all, fmt.Sprintf("sequence %q", s))
	}
	g.overflow, g.unknown = nil, nil
	return all
}
