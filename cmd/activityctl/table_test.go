package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestFit(t *testing.T) {
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{
		{"short", 5, "short"}, {"shorter", 5, "shor…"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"e\u0301e\u0301e\u0301", 2, "e\u0301…"}, {"", 3, ""}, {"ab", 1, "…"},
	} {
		if got := fit(tt.s, tt.n); got != tt.want || columnsIn(got) > tt.n {
			t.Errorf("fit(%q, %d): got %q, want %q", tt.s, tt.n, got, tt.want)
		}
		if got := cell(tt.s, tt.n); columnsIn(got) != tt.n {
			t.Errorf("cell(%q, %d): got %q", tt.s, tt.n, got)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{
		{"", 10, ""}, {"one two three", 7, "one two|three"}, {"abcdefghij", 4, "abcd|efgh|ij"}, {"a abcdefghij b", 4, "a|abcd|efgh|ij b"}, {"日本語日本語", 4, "日本|語日|本語"},
	} {
		if got := strings.Join(wrap(tt.s, tt.n), "|"); got != tt.want {
			t.Errorf("wrap(%q, %d): got %q, want %q", tt.s, tt.n, got, tt.want)
		}
	}
}

// Every table fits a terminal of 80 columns, whatever is in it.
func TestTablesFit(t *testing.T) {
	var out bytes.Buffer
	letters := []deadLetter{
		{At: time.Unix(0, 0), Reason: "short"},
		{At: time.Now(), Partition: 511, Offset: 9007199254740991, Index: 65535, bytes: 16 << 20, Reason: strings.Repeat("detail: a string is not UTF-8\n\x1b[31m ", 20)},
	}
	if err := (&dead{Limit: 2}).print(&out, letters, usual); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("long-日本語 ", 50)
	entry := `{"id":"00000000-0001-803b-8000-00000000616c","userId":"` + long + `","action":"` + long + `","targetType":"` + long + `","targetId":"d","details":{"x":"` + long + `"},"createdAt":"2024-02-12T08:00:00.123Z","platform":"` + long + `","serial":"` + long + `"}`
	for _, n := range []int{usual, 40, 200} {
		var lines bytes.Buffer
		if err := (&printer{out: &lines, columns: n}).print(entry); err != nil {
			t.Fatal(err)
		}
		if got := columnsIn(strings.TrimSuffix(lines.String(), "\n")); got > n {
			t.Errorf("an entry of tail: got %d columns, want at most %d: %s", got, n, &lines)
		}
	}
	if err := (&ids{IDs: []string{"9007199254740991", "1"}}).run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	out.WriteString(bar(12_345_678_901, 12_345_678_901))
	for line := range strings.Lines(out.String()) {
		if n := columnsIn(strings.TrimSuffix(line, "\n")); n > usual || strings.Contains(line, "\x1b") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	if !strings.Contains(out.String(), "p511:9007199254740991/65535") || !strings.Contains(out.String(), "--limit") {
		t.Errorf("got %s", &out)
	}
}
