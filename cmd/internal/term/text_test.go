package term

import (
	"strings"
	"testing"
	"unicode"
)

func TestClean(t *testing.T) {
	for s, want := range map[string]string{
		"":                                 "",
		"plain":                            "plain",
		"trailing  ":                       "trailing",
		"a\x1b[31mb":                       "a·[31mb",
		"a\tb\r\nc\x00\x7f":                "a·b··c··",
		"\u009b31m\u0090":                  "·31m·", // control characters of eight bits
		"a\u202eb\u2066":                   "a·b·",  // the direction of writing
		"ad\u200dmin\u200b\u2028":          "ad·min··",
		"ad\ufe0fmin":                      "ad·min",
		"\u3164x\u115f":                    "·x·", // letters that are not seen
		"\xff\xfe":                         "\ufffd\ufffd",
		"e\u0301":                          "e\u0301",
		"\u0301x":                          "·x", // would be drawn on what stands before the text
		"z" + strings.Repeat("\u0335", 50): "z" + strings.Repeat("\u0335", maxMarks),
		"日本語":                              "日本語",
		"❤\ufe0f":                          "❤",
		"👍🏽!":                              "👍!",
		"👩\u200d👩\u200d👧":                  "👩👩👧",
		"🇩🇪":                               "🇩🇪",
		"\U000e0041\ue000":                 "··", // tags and private characters
	} {
		if got := Clean(s); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
}

func TestColumns(t *testing.T) {
	for s, want := range map[string]int{
		"": 0, "abc": 3, "é": 1, "e\u0301": 1, "日本": 4, "ｆｕ": 4, "👍": 2, "👩👩👧": 6, "❤": 1, "🇩🇪": 2, "한국": 4, "\u1100\u1161": 2, "·…": 2, "é̱": 1, "नि": 2, "▇": 1,
	} {
		if got := Columns(s); got != want {
			t.Errorf("%q: got %d, want %d", s, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{
		{"short", 5, "short"},
		{"shorter", 5, "shor…"},
		{"日本語", 6, "日本語"},
		{"日本語", 5, "日本…"},
		{"日本語", 4, "日…"},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301…"},
		{"", 3, ""},
		{"ab", 1, "…"},
		{"ab", 0, ""},
		{"ab", -1, ""},
		{"👍👍", 3, "👍…"},
	} {
		if got := Fit(tt.s, tt.n); got != tt.want {
			t.Errorf("Fit(%q, %d): got %q, want %q", tt.s, tt.n, got, tt.want)
		}
		if got := Cell(tt.s, tt.n); Columns(got) != max(tt.n, 0) {
			t.Errorf("Cell(%q, %d): got %q", tt.s, tt.n, got)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{
		{"", 10, ""},
		{"one two three", 7, "one two|three"},
		{"abcdefghij", 4, "abcd|efgh|ij"},
		{"a abcdefghij b", 4, "a|abcd|efgh|ij b"},
		{"日本語日本語", 4, "日本|語日|本語"},
		{"ab", -3, "ab"},
		{"日本", 1, "日|本"},
	} {
		if got := strings.Join(Wrap(tt.s, tt.n), "|"); got != tt.want {
			t.Errorf("Wrap(%q, %d): got %q, want %q", tt.s, tt.n, got, tt.want)
		}
	}
}

// Whatever is printed stays in its columns and controls nothing.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"a\x1b[2Jb", "👩\u200d👩", "e\u0301\u0301", "\u202e", "日本", "\u1161", "🏽"} {
		f.Add(s, 5)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		got := Clean(s)
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Errorf("%q: %q is left", s, r)
			}
		}
		if again := Clean(got); again != got {
			t.Errorf("%q: cleaned again it is %q, not %q", s, again, got)
		}
		n = max(n%200, 0)
		if cut := Cell(got, n); Columns(cut) != n {
			t.Errorf("%q in %d columns takes %d", s, n, Columns(cut))
		}
		for _, line := range Wrap(got, n) {
			if Columns(line) > max(n, 2) {
				t.Errorf("%q wrapped at %d has a line of %d", s, n, Columns(line))
			}
		}
	})
}
