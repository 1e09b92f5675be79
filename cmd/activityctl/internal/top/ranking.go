package top

import (
	"fmt"
	"strings"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/term"
)

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
