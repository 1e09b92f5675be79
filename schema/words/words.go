// Package words defines what the words of an entry's text are. The consumer stores them and a search is parsed into them, so both
// must agree to the byte: lists, counts, exports, tails and erasures all use this package.
//
// The text of an entry is its detail, followed by the keys and values of its details with their JSON escapes decoded. The text is
// normalized: canonical composition and full case folding, and the Turkish İ and ı become i. Diacritics count: é is not e. A word
// is a run of letters, marks and numbers. Invisible characters, such as soft hyphens and joiners, are no part of it and do not end
// it. Everything else separates words. The scripts Han, Hiragana, Katakana, Thai, Lao, Khmer
// and Myanmar put no spaces between words. There the words of a run are its overlapping pairs of characters, or the one
// character of a run of one. A character is a letter with its marks.
package words

import (
	"bytes"
	"unicode/utf8"
	"unsafe"
)

// Unfolded is the value of the column folded for an entry that has not been folded yet. The character occurs in no word.
const Unfolded = "\ue000"

// Folded returns the value of the column folded for a text. It is empty if lower(concat(detail, ' ', details)) in ClickHouse has the
// same words in the same order between its ASCII separators. Otherwise it is the words, joined by spaces; spaces at the end make
// it longer than Unfolded.
func Folded(detail, details string) string {
	return string(AppendFolded(nil, detail, unsafe.Slice(unsafe.StringData(details), len(details)))) // read only
}

// AppendFolded appends Folded to dst. It allocates nothing for ASCII text without escapes that would change words.
func AppendFolded(dst []byte, detail string, details []byte) []byte {
	if isPlain(detail) && IsPlainJSON(details) {
		return dst
	}
	n := len(dst)
	dst = appendWords(dst, detail, details)
	c := comparison{rest: dst[n:]}
	if compare(&c, detail) && compare(&c, details) && len(c.rest) == 0 {
		return dst[:n]
	}
	for len(dst) > n && len(dst) <= n+len(Unfolded) {
		dst = append(dst, ' ')
	}
	return dst
}

// appendWords appends the words of an entry's text, joined by spaces.
func appendWords(dst []byte, detail string, details []byte) []byte {
	text := make([]byte, 0, len(detail)+1+len(details))
	text = append(text, detail...)
	text = append(text, ' ')
	text = appendUnescaped(text, details)
	return splitText(dst, text).dst
}

// splitText appends the words of a text to dst.
func splitText(dst, text []byte) splitter {
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	s := splitter{dst: dst, start: len(dst)}
	if s.split(text) {
		return s
	}
	s = splitter{dst: dst, start: len(dst), whole: true}
	s.split(normal(text))
	return s
}

// comparison compares words with the texts between ASCII separators.
type comparison struct {
	rest  []byte // the words that were not compared yet
	begun bool
}

// compare removes the words of a text from the front of c. It returns false if c begins with other words.
func compare[T ~string | ~[]byte](c *comparison, text T) bool {
	inside := false
	for i := range len(text) {
		b := tokenByte[text[i]]
		if b == 0 {
			inside = false
			continue
		}
		if !inside && c.begun && !c.take(' ') || !c.take(b) {
			return false
		}
		inside, c.begun = true, true
	}
	return true
}

func (c *comparison) take(b byte) bool {
	if len(c.rest) == 0 || c.rest[0] != b {
		return false
	}
	c.rest = c.rest[1:]
	return true
}
