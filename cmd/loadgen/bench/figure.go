package bench

import (
	"fmt"
	"slices"
)

// Figure is one line of a table: the median of its values, one per round.
type Figure struct {
	Part   string    `json:"part"`
	What   string    `json:"what"`
	Unit   string    `json:"unit"` // of all values, as a format: "%.1f ms"
	Goal   Goal      `json:"goal,omitzero"`
	Note   string    `json:"note,omitempty"`
	Values []float64 `json:"values"`         // one per round
	Peer   []float64 `json:"peer,omitempty"` // those of the peer
}

// Goal is the value that a figure should reach. The zero value means that there is none.
type Goal struct {
	Least bool    `json:"least,omitempty"` // at least Value, else at most
	Value float64 `json:"value"`
	Set   bool    `json:"set"`
}

func atMost(v float64) Goal  { return Goal{Value: v, Set: true} }
func atLeast(v float64) Goal { return Goal{Least: true, Value: v, Set: true} }

// Met reports whether v reaches the goal.
func (g Goal) Met(v float64) bool {
	switch {
	case !g.Set:
		return true
	case g.Least:
		return v >= g.Value
	}
	return v <= g.Value
}

// text formats the goal for a value, with how far it was missed.
func (g Goal) text(unit string, v float64) string {
	if !g.Set {
		return ""
	}
	sign := "≤ "
	if g.Least {
		sign = "≥ "
	}
	text := sign + fmt.Sprintf(unit, g.Value)
	switch {
	case g.Met(v):
		return text + " ✓"
	case g.Value == 0:
		return text + " **missed**"
	}
	return text + fmt.Sprintf(" **missed: %.2f ×**", v/g.Value)
}

// median returns the mean of the two middle values of an even number; 0 without values.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	return (v[(n-1)/2] + v[n/2]) / 2
}

// spread formats the median, with the least and the most value if there are several.
func spread(unit string, values []float64) string {
	if len(values) == 0 {
		return ""
	}
	text := fmt.Sprintf(unit, median(values))
	if len(values) > 1 {
		text += fmt.Sprintf(" ("+unit+" … "+unit+")", slices.Min(values), slices.Max(values))
	}
	return text
}

// add records a value of this round. Values with the same name and part belong to one figure.
func (b *bench) add(f Figure, value float64) {
	at := b.figure(f)
	at.Note = f.Note
	at.Values = append(at.Values, value)
	b.Say("  %-62s %-20s %s", f.What, fmt.Sprintf(f.Unit, value), f.Goal.text(f.Unit, value))
}

// set records a value that replaces those of all rounds so far.
func (b *bench) set(f Figure, value float64) {
	b.figure(f).Values = nil
	b.add(f, value)
}

// addPeer records the value of the peer beside ours.
func (b *bench) addPeer(what, unit string, value float64) {
	f := b.figure(Figure{What: what, Unit: unit})
	f.Peer = append(f.Peer, value)
	b.Say("  %-62s %-20s", "the peer: "+what, fmt.Sprintf(unit, value))
}

func (b *bench) figure(f Figure) *Figure {
	f.Part = b.part
	for _, have := range b.report.Figures {
		if have.Part == f.Part && have.What == f.What {
			return have
		}
	}
	b.report.Figures = append(b.report.Figures, &f)
	return &f
}

// median returns the median of a figure; 0 if it was not measured.
func (b *bench) median(part, what string) float64 {
	for _, f := range b.report.Figures {
		if f.Part == part && f.What == what {
			return median(f.Values)
		}
	}
	return 0
}

// ratio adds the quotient of two medians, if both were measured.
func (b *bench) ratio(part, what string, goal Goal, over, under float64) {
	if over == 0 || under == 0 {
		return
	}
	b.part = part
	b.set(Figure{What: what, Unit: "%.2f ×", Goal: goal}, over/under)
}
