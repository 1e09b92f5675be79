package term

import (
	"hash/fnv"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Usual is how many columns a terminal has at least.
const Usual = 80

// Output is where a command prints for people.
type Output struct {
	io.Writer
	Width  int // columns of the terminal; 0: it is none, and nothing is cut
	Color  bool
	Colors Colors // what was asked for
}

// Resize takes the width that the terminal has now.
func (o *Output) Resize() {
	if n := Width(o.Writer); n > 0 {
		o.Width = n
	}
}

// Colors says when to print colours.
type Colors string

// Auto means colours on a terminal, unless the environment asks for none (https://no-color.org).
const (
	Auto   Colors = "auto"
	Always Colors = "always"
	Never  Colors = "never"
)

// To describes w.
func To(w io.Writer, colors Colors) Output {
	o := Output{Writer: w, Width: Width(w), Colors: colors}
	switch colors {
	case Always:
		o.Color = true
	case Never:
	default:
		o.Color = o.Width > 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return o
}

// Width is how many columns w has; 0 if it is no terminal. Other devices, such as /dev/null, are none.
func Width(w io.Writer) int {
	columns, _ := size(w)
	return columns
}

func size(w io.Writer) (columns, rows int) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, 0
	}
	s, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	switch {
	case err != nil:
		return 0, 0
	case s.Col == 0 || s.Row == 0: // a serial line that nobody has told its size
		return Usual, 24
	}
	return int(s.Col), int(s.Row)
}

// Style is how a text looks: the numbers of an SGR sequence (ECMA-48).
type Style string

// The styles. Colours are those of the terminal's own theme.
const (
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
)

// Paint returns a text in a style; without colours, the text alone.
func (o Output) Paint(s Style, text string) string {
	if !o.Color || s == "" || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// palette has the colours that are readable on dark and on bright terminals, red apart: it means that something is wrong.
var palette = []Style{"32", "33", "34", "35", "36", "92", "94", "95", "96", "1;32", "1;33", "1;34", "1;35", "1;36"}

// Hue is the style of a value: always the same one.
func Hue(value string) Style {
	h := fnv.New32a()
	_, _ = io.WriteString(h, value)                   // a hash takes everything
	return palette[h.Sum32()>>1%uint32(len(palette))] // shifted: then the most usual actions differ
}

// Number is n with commas between thousands.
func Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Bytes is a number of bytes in the largest unit that leaves a number above 1.
func Bytes(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f := float64(n)
	for _, unit := range []string{"kB", "MB", "GB"} {
		if f /= 1000; f < 999.95 {
			return strconv.FormatFloat(f, 'f', 1, 64) + " " + unit
		}
	}
	return strconv.FormatFloat(f/1000, 'f', 1, 64) + " TB"
}

// Bar is n columns of which a part, from 0 to 1, is full.
func Bar(part float64, n int) string {
	eighths := int(min(max(part, 0), 1) * float64(n) * 8)
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return s + strings.Repeat(" ", max(n-Columns(s), 0))
}

// Spark draws values as columns of different height, the newest on the right, in n columns.
func Spark(values []float64, n int) string {
	if n < 1 {
		return ""
	}
	values = values[max(len(values)-n, 0):]
	highest := 0.0
	for _, v := range values {
		highest = max(highest, v)
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", n-len(values)))
	for _, v := range values {
		level := 0
		if v > 0 {
			level = 1 + int(v/highest*7)
		}
		b.WriteRune([]rune(" ▁▂▃▄▅▆▇█")[level])
	}
	return b.String()
}

// Masked is a terminal that what is written cannot control. Line ends and tabs stay.
type Masked struct{ io.Writer }

// Write implements io.Writer.
func (m Masked) Write(p []byte) (int, error) {
	var b strings.Builder
	for line := range strings.Lines(string(p)) {
		text, ended := strings.CutSuffix(line, "\n")
		cells := strings.Split(text, "\t")
		for i := range cells {
			cells[i] = Clean(cells[i])
		}
		b.WriteString(strings.Join(cells, "\t"))
		if ended {
			b.WriteByte('\n')
		}
	}
	if _, err := io.WriteString(m.Writer, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}
