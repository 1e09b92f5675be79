package top

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/cmd/internal/term"
)

// view draws a board.
type view struct {
	*board
	out    term.Output
	window time.Duration
	first  int // of the groups
	paused bool
	live   bool
}

// two is from how many columns on two rankings stand side by side; short, below how many lines details are left out.
const (
	two   = 72
	short = 18
)

// lines draws the board in a window; without live, in as many lines as it takes.
func (v *view) lines(columns, rows int) []string {
	if columns < 20 || rows < 6 {
		return []string{term.Fit("The window is too small.", columns)}
	}
	s := v.snapshot(v.window)
	lines := []string{v.head(&s, columns)}
	lines = append(lines, v.problems(&s, columns)...)
	if rows >= short {
		lines = append(lines, "")
	}
	lines = append(lines, v.figures(&s, columns, rows)...)
	if rows >= short-4 {
		lines = append(lines, "")
	}
	foot := []string{}
	if v.live {
		foot = append(foot, v.keys(columns))
	}
	room := rows - len(lines) - len(foot)
	if rows >= short {
		room-- // a line between the values and the keys
	}
	if !v.live {
		room = 24
	}
	lines = append(lines, v.rankingsIn(columns, room)...)
	if v.live {
		for len(lines) < rows-len(foot) {
			lines = append(lines, "")
		}
		lines = lines[:min(len(lines), rows-len(foot))]
	}
	return append(lines, foot...)
}

// span is a text in a style.
type span struct {
	style term.Style
	text  string
}

// compose puts spans behind each other, in n columns at most.
func (v *view) compose(n int, spans ...span) string {
	var b strings.Builder
	for _, s := range spans {
		text := term.Fit(s.text, n)
		n -= term.Columns(text)
		if s.style == "" {
			b.WriteString(text)
		} else {
			b.WriteString(v.out.Paint(s.style, text))
		}
		if n <= 0 {
			break
		}
	}
	return b.String()
}

// head is the first line: where, who, how and when.
func (v *view) head(s *Snapshot, n int) string {
	state := span{term.Green, "● " + s.Status}
	switch {
	case s.Status == "unreachable":
		state = span{term.Red, fmt.Sprintf("● unreachable for %s", age(s.At.Sub(v.answered)))}
	case s.Status != "ready" || s.Kafka != nil && !*s.Kafka || s.ClickHouse != nil && !*s.ClickHouse:
		state.style = term.Yellow
	}
	if v.paused {
		state = span{term.Yellow, "paused"}
	}
	clock := s.At.Format("15:04:05")
	if n >= two {
		clock += " UTC"
	}
	right := []span{state, {term.Dim, "  " + clock}}
	host := term.Clean(strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(s.URL, "http://"), "https://"), "/"))
	left := []span{{term.Bold, "activitylog"}, {"", "  " + host}}
	if n < two {
		left = []span{{term.Bold, host}}
	}
	if s.Tenant != "" {
		left = append(left, span{term.Dim, "  tenant "}, span{"", term.Clean(s.Tenant)})
	}
	if room := n - wide(right) - 2; room >= 8 {
		return v.compose(room, left...) + strings.Repeat(" ", max(n-wide(right)-min(wide(left), room), 0)) + v.compose(n, right...)
	}
	return v.compose(n, right...)
}

func wide(spans []span) (n int) {
	for _, s := range spans {
		n += term.Columns(s.text)
	}
	return n
}

// problems says what is wrong, in three lines at most.
func (v *view) problems(s *Snapshot, n int) (lines []string) {
	for _, c := range s.Checks {
		if !c.Ready {
			lines = append(lines, v.compose(n, span{term.Yellow, "  " + term.Clean(c.Name) + ": "}, span{"", term.Clean(c.Reason)}))
		}
	}
	if err := v.last().failed; err != nil {
		lines = append(lines, v.compose(n, span{term.Red, "  " + plain(err)}))
	}
	return lines[:min(len(lines), 3)]
}

// plain is the first line of an error.
func plain(err error) string {
	first, _, _ := strings.Cut(service.Plain(err.Error()), "\n")
	return term.Clean(first)
}

// nameWidth is the width of the names of figures.
const nameWidth = 9

func (v *view) figure(n int, name string, spans ...span) string {
	return v.compose(n, append([]span{{term.Dim, "  " + term.Cell(name, nameWidth)}}, spans...)...)
}

// figures are the rates with their history, and what waits or went wrong.
func (v *view) figures(s *Snapshot, n, rows int) []string {
	room := n - nameWidth - 2 - rateWidth - 2
	rate := func(name string, now *float64, read reading, hue term.Style) string {
		return v.figure(n, name, span{term.Bold, perSecond(now)}, span{hue, "  " + term.Spark(v.rates(read), min(room, keep))})
	}
	lines := []string{rate("in", s.InPerSecond, accepted, term.Cyan), rate("stored", s.StoredPerSecond, v.stored, term.Green), v.figure(n, "waiting", v.waiting(s)...)}
	lines = append(lines, v.figure(n, "errors", v.errors(s, n)...))
	if rows >= short {
		lines = append(lines, v.figure(n, "today", span{term.Bold, count(s.ReceivedToday)}, span{"", " entries received"}))
	}
	return lines
}

// rateWidth is the width of a rate.
const rateWidth = 11

func perSecond(rate *float64) string {
	text := "–"
	if rate != nil {
		text = number(*rate) + "/s"
	}
	return strings.Repeat(" ", max(rateWidth-term.Columns(text), 0)) + text
}

func number(f float64) string {
	if f > 0 && f < 9.95 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return term.Number(int64(f + 0.5))
}

func count(n *int64) string {
	if n == nil {
		return "–"
	}
	return term.Number(*n)
}

// waiting is the lag, as a whole and of each partition.
func (v *view) waiting(s *Snapshot) []span {
	if s.BehindRecords == nil && len(s.Partitions) == 0 {
		return []span{{"", "–"}}
	}
	spans := []span{}
	if s.BehindRecords != nil {
		spans = append(spans, span{term.Bold, count(s.BehindRecords)}, span{"", " records"})
	}
	if s.LagSeconds != nil && *s.LagSeconds > 0 {
		style := term.Style("")
		if *s.LagSeconds > 60 {
			style = term.Red
		}
		spans = append(spans, span{"", ", oldest "}, span{style, age(time.Duration(*s.LagSeconds * float64(time.Second)))})
	}
	for _, p := range s.Partitions {
		spans = append(spans, span{term.Dim, fmt.Sprintf("  p%d ", p.Partition)}, span{"", term.Number(p.LagRecords)})
	}
	return spans
}

// errors are what was refused, failed or could not be stored. Where there is little room, only what happened.
func (v *view) errors(s *Snapshot, n int) []span {
	if err := v.last().uncounted; err != nil {
		return []span{{term.Yellow, "– a service does not show its /metrics: " + err.Error()}}
	}
	if v.last().counters == nil {
		return []span{{term.Dim, "– no service shows its /metrics: see --metrics"}}
	}
	bad := func(style term.Style, is bool) term.Style {
		if is {
			return style
		}
		return ""
	}
	var spans []span
	add := func(style term.Style, rate float64, what string) {
		if rate > 0 || n >= two {
			spans = append(spans, span{bad(style, rate > 0), number(rate) + what})
		}
	}
	if s.Failed != nil {
		add(term.Red, *s.Failed, "/s failed")
	}
	if s.Refused != nil {
		add(term.Yellow, *s.Refused, "/s refused")
	}
	if s.Rejected != nil {
		add(term.Yellow, *s.Rejected, "/s rejected")
	}
	if s.DeadLetters != nil {
		add(term.Red, float64(*s.DeadLetters), " dead letters")
	}
	if len(spans) == 0 {
		return []span{{"", "none"}}
	}
	for i := len(spans) - 1; i > 0; i-- {
		spans = slices.Insert(spans, i, span{"", "   "})
	}
	return spans
}

// age is a duration as people say it.
func age(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return strconv.FormatFloat(max(d.Seconds(), 0), 'f', 1, 64) + " s"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	}
	return strconv.Itoa(int(d.Hours())) + " h"
}

// keys is the last line.
func (v *view) keys(n int) string {
	other, pause := "hour", "pause"
	if v.window == time.Hour {
		other = "minute"
	}
	if v.paused {
		pause = "go on"
	}
	var spans []span
	for _, k := range [][2]string{{"q", "quit"}, {"p", pause}, {"↑↓", other}, {"←→", "other values"}} {
		spans = append(spans, span{term.Bold, k[0]}, span{term.Dim, " " + k[1] + "   "})
	}
	return v.compose(n, spans...)
}
