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
	lines := []string{rate("in", s.InPerSecond, accepted, term.Cyan), rate("stored", s.StoredPerSecond, stored, term.Green), v.figure(n, "waiting", v.waiting(s)...)}
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
	if s.Refused == nil && s.DeadLetters == nil {
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

var titles = map[string]string{"action": "ACTION", "device": "DEVICE", "username": "ACTOR", "platform": "PLATFORM", "targetType": "TARGET TYPE"}

// shown are the groups that are on the screen, n of them.
func (v *view) shown(n int) (all []string) {
	for i := range n {
		all = append(all, groups[(v.first+i)%len(groups)])
	}
	return all
}

// rankingsIn draws two rankings beside each other, or below each other in a narrow window that is high enough, or one.
func (v *view) rankingsIn(columns, rows int) (lines []string) {
	names := v.shown(2)
	switch {
	case rows < 2:
		return nil
	case columns >= two:
		half := (columns - 4) / 2
		left, right := v.ranking(names[0], half, rows), v.ranking(names[1], columns-4-half, rows)
		for i := range max(len(left), len(right)) {
			l, r := row{}, row{}
			if i < len(left) {
				l = left[i]
			}
			if i < len(right) {
				r = right[i]
			}
			lines = append(lines, v.compose(half, l...)+strings.Repeat(" ", max(half-wide(l), 0)+4)+v.compose(columns-4-half, r...))
		}
	case rows >= 12:
		for i, name := range names {
			if i > 0 {
				lines = append(lines, "")
			}
			for _, r := range v.ranking(name, columns, rows/2-i) {
				lines = append(lines, v.compose(columns, r...))
			}
		}
	default:
		for _, r := range v.ranking(names[0], columns, rows) {
			lines = append(lines, v.compose(columns, r...))
		}
	}
	return lines
}

type row []span

// ranking draws the values with the most entries, in n columns and a number of lines at most.
func (v *view) ranking(group string, n, rows int) []row {
	r, ok := v.rankings[group]
	when := "last minute"
	if v.window == time.Hour {
		when = "last hour"
	}
	title := titles[group] + ", " + when
	lines := []row{{{term.Bold, term.Fit(title, n)}}}
	switch {
	case !ok || r.window != v.window:
		return append(lines, row{{term.Dim, term.Fit("  counting …", n)}})
	case r.err != nil:
		text := plain(r.err)
		for _, line := range term.Wrap(text, n-2) {
			lines = append(lines, row{{term.Dim, "  " + line}})
		}
		return lines[:min(len(lines), rows)]
	case len(r.counts) == 0:
		return append(lines, row{{term.Dim, term.Fit("  no entries", n)}})
	}
	if all := term.Number(r.total); n-term.Columns(title)-2 >= term.Columns(all) {
		lines[0] = row{{term.Bold, term.Cell(title, n-term.Columns(all))}, {"", all}}
	}
	counts := r.counts[:min(len(r.counts), rows-1)]
	wideNumber, name := len(term.Number(counts[0].Count)), 0
	for _, c := range counts {
		name = max(name, term.Columns(term.Clean(c.Value)))
	}
	room := n - 2 - wideNumber - 2 - 5 // for the name and its bar
	name = min(max(name, 8), max(room*2/3, 4), room)
	bar := room - name - 1
	for _, c := range counts {
		share := float64(c.Count) / float64(max(r.total, 1))
		length := ""
		if bar >= 4 {
			length = " " + term.Bar(float64(c.Count)/float64(counts[0].Count), bar)
		} else {
			length = strings.Repeat(" ", max(bar+1, 0))
		}
		value := term.Clean(c.Value)
		lines = append(lines, row{
			{hueOf(group, c.Value), term.Cell(value, name)},
			{term.Dim, length},
			{"", fmt.Sprintf("  %*s", wideNumber, term.Number(c.Count))},
			{term.Dim, percent(share)},
		})
	}
	return lines
}

// percent is a share in five columns.
func percent(share float64) string {
	if share > 0 && share < 0.005 {
		return " <1 %"
	}
	return fmt.Sprintf("%3.0f %%", share*100)
}

// hueOf gives each action its colour, the same as in tail.
func hueOf(group, value string) term.Style {
	if group == "action" {
		return term.Hue(value)
	}
	return ""
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
