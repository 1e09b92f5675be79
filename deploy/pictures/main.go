// Command pictures turns what a terminal shows into an SVG, for the documents. top.svg was made by
//
//	tmux new-session -d -x 80 -y 24 -s picture bin/activityctl top && sleep 90
//	tmux capture-pane -e -p -t picture | go run ./deploy/pictures > deploy/pictures/top.svg
package main

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"os"
	"strings"

	"golang.org/x/text/width"
)

func main() {
	if err := draw(os.Stdout, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1) //nolint:forbidigo // a main decides the exit code
	}
}

// The size of a character, and the margin around the text.
const (
	wide, high = 8.4, 18.0
	margin     = 14.0
)

// colors are those of the SGR parameters 30 to 37 and 90 to 97, on a dark ground.
var colors = strings.Fields("#3b4048 #e06c75 #98c379 #e5c07b #61afef #c678dd #56b6c2 #dcdfe4")

// style is how the following characters look.
type style struct {
	color     string
	bold, dim bool
}

// set applies the parameters of an SGR sequence.
func (s *style) set(parameters string) {
	for p := range strings.SplitSeq(parameters, ";") {
		n := 0
		_, _ = fmt.Sscan(p, &n) // an empty one is 0
		switch {
		case n == 0:
			*s = style{}
		case n == 1:
			s.bold = true
		case n == 2:
			s.dim = true
		case n == 22:
			s.bold, s.dim = false, false
		case n == 39:
			s.color = ""
		case n >= 30 && n <= 37:
			s.color = colors[n-30]
		case n >= 90 && n <= 97:
			s.color = colors[n-90]
		}
	}
}

func (s style) attributes() string {
	text := ""
	if s.color != "" {
		text += ` fill="` + s.color + `"`
	}
	if s.bold {
		text += ` font-weight="bold"`
	}
	if s.dim {
		text += ` opacity="0.6"`
	}
	return text
}

// draw reads a captured pane and writes the picture. Each run of characters has its own place, so that it is straight in every font.
func draw(out io.Writer, in io.Reader) error {
	var body strings.Builder
	rows, columns := 0, 0
	lines := bufio.NewScanner(in)
	for ; lines.Scan(); rows++ {
		columns = max(columns, line(&body, lines.Text(), rows))
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the pane: %w", err)
	}
	w, h := float64(columns)*wide+2*margin, float64(rows)*high+2*margin
	_, err := fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="#dcdfe4">
<rect width="100%%" height="100%%" rx="8" fill="#1e2127"/>
%s</svg>
`, w, h, w, h, body.String())
	return err
}

// line draws a line and returns how many columns it takes.
func line(body *strings.Builder, text string, row int) (column int) {
	var s style
	for text != "" {
		if rest, ok := strings.CutPrefix(text, "\x1b["); ok {
			end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' && r <= '~' })
			if end < 0 {
				return column
			}
			if rest[end] == 'm' {
				s.set(rest[:end])
			}
			text = rest[end+1:]
			continue
		}
		run, _, found := strings.Cut(text, "\x1b")
		text = text[len(run):]
		if run == "" && found {
			text = text[1:] // a lone escape
			continue
		}
		n := columnsOf(run)
		if strings.TrimSpace(run) != "" {
			fmt.Fprintf(body, `<text x="%.1f" y="%.1f" textLength="%.1f" xml:space="preserve"%s>%s</text>`+"\n",
				margin+float64(column)*wide, margin+float64(row)*high+14, float64(n)*wide, s.attributes(), html.EscapeString(run))
		}
		column += n
	}
	return column
}

func columnsOf(s string) (n int) {
	for _, r := range s {
		n++
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			n++
		}
	}
	return n
}
