package term

import (
	"io"
	"slices"
	"strings"
)

// Column is a column of a table.
type Column struct {
	Name  string
	Right bool // aligned at its end, as numbers are
	// Rank is how unimportant the column is. Where the table does not fit, columns with a rank become narrower, down to Min, the least
	// important first; then whole columns are left out, the least important first. 0: it stays as it is.
	Rank int
	Min  int // 0: as many as the name
	// Paint returns the style of a cell; nil: none.
	Paint func(cell string) Style
}

// Table is a table for people. Its cells may hold anything.
type Table struct {
	Columns []Column
	rows    [][]string
}

// Add appends a row. An empty cell is shown as -, unless its column has no name.
func (t *Table) Add(cells ...string) {
	row := make([]string, len(t.Columns))
	for i := range row {
		if t.Columns[i].Name != "" {
			row[i] = "-"
		}
		if i < len(cells) && strings.TrimSpace(cells[i]) != "" {
			row[i] = Clean(cells[i])
		}
	}
	t.rows = append(t.rows, row)
}

// Len is the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// gap is the number of columns between two cells.
const gap = 2

// Print prints the table so that it fits the output.
func (t *Table) Print(o Output) error {
	_, err := io.WriteString(o, strings.Join(t.Lines(o), "\n")+"\n")
	return err
}

// Markdown prints the table for a report.
func (t *Table) Markdown(o Output) error {
	var head, rule, body strings.Builder
	for _, c := range t.Columns {
		head.WriteString("| " + c.Name + " ")
		rule.WriteString("|---")
	}
	for _, row := range t.rows {
		for _, cell := range row {
			body.WriteString("| " + strings.ReplaceAll(cell, "|", "\\|") + " ")
		}
		body.WriteString("|\n")
	}
	_, err := io.WriteString(o, head.String()+"|\n"+rule.String()+"|\n"+body.String())
	return err
}

// Lines are the lines of the table, the first with the names.
func (t *Table) Lines(o Output) []string {
	widths, missing := t.widths(o.Width)
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	lines := []string{t.line(names, widths, func(_ int, cell string) string { return o.Paint(Bold, cell) })}
	for _, row := range t.rows {
		lines = append(lines, t.line(row, widths, func(i int, cell string) string {
			if paint := t.Columns[i].Paint; paint != nil {
				return o.Paint(paint(row[i]), cell)
			}
			return cell
		}))
	}
	if len(missing) > 0 {
		note := "Without " + strings.Join(missing, ", ") + ": the terminal is too narrow. --json shows all."
		for _, line := range Wrap(note, o.Width) {
			lines = append(lines, o.Paint(Dim, line))
		}
	}
	return lines
}

// line has each cell in its width; a width of 0 leaves the cell out.
func (t *Table) line(cells []string, widths []int, paint func(column int, cell string) string) string {
	last := len(widths) - 1
	for last > 0 && widths[last] == 0 {
		last--
	}
	var b strings.Builder
	for i, cell := range cells {
		if widths[i] == 0 {
			continue
		}
		text := Fit(cell, widths[i])
		space := strings.Repeat(" ", max(widths[i]-Columns(text), 0))
		switch {
		case t.Columns[i].Right:
			b.WriteString(space + paint(i, text))
		case i == last:
			b.WriteString(paint(i, text))
		default:
			b.WriteString(paint(i, text) + space)
		}
		if i != last {
			b.WriteString(strings.Repeat(" ", gap))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// widths returns the width of each column, and the names of those that are left out. room is the width of the terminal; 0: any.
func (t *Table) widths(room int) (widths []int, missing []string) {
	widths = make([]int, len(t.Columns))
	for i, c := range t.Columns {
		widths[i] = Columns(c.Name)
		for _, row := range t.rows {
			widths[i] = max(widths[i], Columns(row[i]))
		}
	}
	if room == 0 {
		return widths, nil
	}
	for _, i := range t.ranked() { // make them narrower
		least := min(widths[i], max(t.Columns[i].Min, Columns(t.Columns[i].Name)))
		widths[i] -= min(max(total(widths)-room, 0), widths[i]-least)
	}
	for _, i := range t.ranked() { // leave them out
		if total(widths) > room {
			widths[i] = 0
			missing = append(missing, t.Columns[i].Name)
		}
	}
	for i := range slices.Backward(widths) { // what is left is important: cut it
		if over := total(widths) - room; over > 0 && widths[i] > 0 {
			widths[i] = max(widths[i]-over, 1)
		}
	}
	return t.grown(widths, room), missing
}

// grown gives the columns that were narrowed what those that were left out had, the most important first.
func (t *Table) grown(widths []int, room int) []int {
	ranked := t.ranked()
	for _, i := range slices.Backward(ranked) {
		if widths[i] == 0 {
			continue
		}
		want := Columns(t.Columns[i].Name)
		for _, row := range t.rows {
			want = max(want, Columns(row[i]))
		}
		widths[i] += min(max(want-widths[i], 0), max(room-total(widths), 0))
	}
	return widths
}

// ranked are the columns with a rank, the least important first.
func (t *Table) ranked() (all []int) {
	highest := 0
	for _, c := range t.Columns {
		highest = max(highest, c.Rank)
	}
	for rank := highest; rank > 0; rank-- {
		for i := range slices.Backward(t.Columns) {
			if t.Columns[i].Rank == rank {
				all = append(all, i)
			}
		}
	}
	return all
}

func total(widths []int) int {
	n := -gap
	for _, w := range widths {
		if w > 0 {
			n += w + gap
		}
	}
	return n
}

// Record prints names and values below each other, for what is too wide for a table. Long values continue on further lines.
func Record(o Output, fields [][2]string) error {
	longest := 0
	for _, f := range fields {
		longest = max(longest, Columns(f[0]))
	}
	for _, f := range fields {
		begin := Cell(f[0], longest) + strings.Repeat(" ", gap)
		values := []string{Clean(f[1])}
		if o.Width > 0 {
			values = Wrap(values[0], o.Width-longest-gap)
		}
		for _, line := range values {
			if _, err := io.WriteString(o, strings.TrimRight(o.Paint(Dim, begin)+line, " ")+"\n"); err != nil {
				return err
			}
			begin = strings.Repeat(" ", longest+gap)
		}
	}
	return nil
}
