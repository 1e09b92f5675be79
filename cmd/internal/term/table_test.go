package term

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

func sampleTable() *Table {
	t := &Table{Columns: []Column{
		{Name: "ID"}, {Name: "NAME", Rank: 1, Min: 6}, {Name: "COUNT", Right: true}, {Name: "NOTE", Rank: 3, Min: 5}, {Name: "WHEN", Rank: 2, Min: 6},
	}}
	t.Add("k1", "日本語 in a long name", "7", "\x1b[31mred\nand more of it", "2024-03-15")
	t.Add("k22", "é", "12,345", "", "never")
	return t
}

func TestTable(t *testing.T) {
	for width, want := range map[int]string{
		0: `
ID   NAME                   COUNT  NOTE                   WHEN
k1   日本語 in a long name       7  ·[31mred·and more of it  2024-03-15
k22  é                     12,345  -                      never`,
		60: `
ID   NAME                    COUNT  NOTE         WHEN
k1   日本語 in a long name       7  ·[31mred·an…  2024-03-15
k22  é                      12,345  -            never`,
		40: `
ID   NAME         COUNT  NOTE   WHEN
k1   日本語 in a…      7  ·[31…  2024-…
k22  é           12,345  -      never`,
		24: `
ID   NAME          COUNT
k1   日本語 in …       7
k22  é            12,345
Without NOTE, WHEN: the
terminal is too narrow.
--json shows all.`,
		8: `
ID   CO…
k1     7
k22  12…
Without
NOTE,
WHEN,
NAME:
the
terminal
is too
narrow.
--json
shows
all.`,
	} {
		var b bytes.Buffer
		if err := sampleTable().Print(Output{Writer: &b, Width: width}); err != nil {
			t.Fatal(err)
		}
		got := b.String()
		for line := range strings.Lines(got) {
			if n := Columns(strings.TrimSuffix(line, "\n")); width > 0 && n > width || strings.ContainsAny(line, "\x1b\t") {
				t.Errorf("width %d: a line takes %d columns: %q", width, n, line)
			}
		}
		if squeeze(got) != squeeze(want) {
			t.Errorf("width %d: got\n%s, want%s", width, got, want)
		}
	}
}

// squeeze ignores how many spaces there are: the columns of the lines are checked.
func squeeze(s string) string {
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(s)) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

// The columns of a table begin at the same place in every line.
func TestTableIsStraight(t *testing.T) {
	for _, width := range []int{0, 120, 60, 40} {
		var at int
		for i, line := range sampleTable().Lines(Output{Width: width}) {
			before, _, ok := strings.Cut(line, []string{"WHEN", "2024", "never"}[i])
			if !ok {
				t.Fatalf("width %d: %q", width, line)
			}
			if i == 0 {
				at = Columns(before)
			}
			if Columns(before) != at {
				t.Errorf("width %d: line %d begins its last cell at %d, not at %d: %q", width, i, Columns(before), at, line)
			}
		}
	}
}

func TestTableInColours(t *testing.T) {
	table := &Table{Columns: []Column{{Name: "A", Paint: Hue}, {Name: "B", Right: true}}}
	table.Add("\x1b[0mlogin", "1")
	var b bytes.Buffer
	if err := table.Print(Output{Writer: &b, Color: true, Width: 40}); err != nil {
		t.Fatal(err)
	}
	hue := string(Hue("·[0mlogin"))
	if want := "\x1b[1mA\x1b[0m            \x1b[1mB\x1b[0m\n\x1b[" + hue + "m·[0mlogin\x1b[0m  1\n"; squeeze(b.String()) != squeeze(want) {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	if Hue("login") != "95" { // it must not change from release to release
		t.Errorf("the colour of login: got %s", Hue("login"))
	}
}

func TestMarkdown(t *testing.T) {
	table := &Table{Columns: []Column{{Name: "a"}, {Name: "b"}}}
	table.Add("x|y", "")
	var b bytes.Buffer
	if err := table.Markdown(Output{Writer: &b}); err != nil || b.String() != "| a | b |\n|---|---|\n| x\\|y | - |\n" {
		t.Errorf("got %q, %v", b.String(), err)
	}
}

func TestRecord(t *testing.T) {
	var b bytes.Buffer
	if err := Record(Output{Writer: &b, Width: 20}, [][2]string{{"id", "7"}, {"reason", "one two three four"}}); err != nil {
		t.Fatal(err)
	}
	if want := "id      7\nreason  one two\n        three four\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestProgressLine(t *testing.T) {
	for _, tt := range []struct {
		entries, bytes, total int64
		took                  time.Duration
		n                     int
		want                  string
	}{
		{0, 0, 0, 0, 79, "0 entries  0 B"},
		{1500, 1_234_567, 0, 10 * time.Second, 79, "1,500 entries  1.2 MB  150/s"},
		{250, 1_234_567, 1000, 10 * time.Second, 60, " 25 %  250 of 1,000 entries  1.2 MB  25/s  0:30 left"},
		{250, 1_234_567, 1000, 10 * time.Second, 40, " 25 %  250 of 1,000 entries  1.2 MB"},
		{250, 1_234_567, 1000, 10 * time.Second, 8, " 25 %"},
		{2000, 5, 1000, 2 * time.Second, 46, "100 %  2,000 of 1,000 entries  5 B  1,000/s"},
	} {
		p := &Progress{}
		p.Set(tt.entries, tt.bytes)
		p.Expect(tt.total)
		got := p.line(tt.took, tt.n)
		if _, text, ok := strings.Cut(got, "▏"); ok && strings.HasPrefix(got, "▕") {
			got = text
		}
		if got != tt.want || Columns(p.line(tt.took, tt.n)) > tt.n {
			t.Errorf("%+v: got %q", tt, got)
		}
	}
	if got, want := clock(3*time.Hour+4*time.Second), "3:00:04"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 9007199254740991: "9,007,199,254,740,991"} {
		if got := Number(n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_960: "1.0 MB", 1_500_000_000: "1.5 GB", 9e15: "9000.0 TB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestKeysOf(t *testing.T) {
	got := keysOf("q\x1b[A\x1bOBx\x1b[1;5Cp\x1b[200~\x1b")
	want := []Key{"q", Up, Down, "x", "p", Escape}
	if strings.Join(strings.Fields(string(join(got))), " ") != strings.Join(strings.Fields(string(join(want))), " ") {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := keysOf("\x1bq\x03"), []Key{Escape, "q", "\x03"}; !slices.Equal(got, want) {
		t.Errorf("after Escape: got %q, want %q", got, want)
	}
}

func join(keys []Key) (all Key) {
	for _, k := range keys {
		all += k + " "
	}
	return all
}

func TestDiagrams(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{Bar(0, 3), "   "}, {Bar(1, 3), "███"}, {Bar(0.5, 3), "█▌ "}, {Bar(7, 2), "██"}, {Spark([]float64{0, 1, 8}, 4), "  ▁█"}, {Spark([]float64{1, 2, 3}, 2), "▅█"}, {Spark(nil, 2), "  "},
	} {
		if strings.TrimRight(tt.got, " ") != strings.TrimRight(tt.want, " ") {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
