package validate

import (
	"strings"
	"testing"
	"testing/quick"
	"unicode/utf8"
)

// TestIsText puts valid and invalid bytes at every position of texts whose lengths are around that of a word.
func TestIsText(t *testing.T) {
	for _, c := range []struct {
		bytes string
		want  bool
	}{{"a", true}, {"\x01", true}, {"\x7f", true}, {"é", true}, {"日", true}, {"😀", true}, {"\x00", false}, {"\x80", false}, {"\xff", false}, {"\xc3", false}, {"\xed\xa0\x80", false}} {
		for before := range 20 {
			for after := range 20 {
				s := strings.Repeat("x", before) + c.bytes + strings.Repeat("y", after)
				if got := isText(s); got != c.want {
					t.Errorf("isText(%q) = %v, want %v", s, got, c.want)
				}
			}
		}
	}
	if err := quick.CheckEqual(isText, func(s string) bool { return !strings.Contains(s, "\x00") && utf8.ValidString(s) }, nil); err != nil {
		t.Error(err)
	}
}
