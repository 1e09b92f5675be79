// Package words says what the words of an entry's text are. The consumer writes them and a search is read into them, so both
// must agree to the byte: every user of the rule (lists, counts, exports, tails, erasures) takes it from here.
//
// The text of an entry is its detail, then the keys and values of its details with their JSON escapes decoded. It is brought
// into one normal form: canonical composition and full case folding, and the Turkish İ and ı are the letter i. Diacritics
// stay: é is not e. A word is then a run of letters, marks and numbers; everything else separates words. Scripts that put no
// spaces between words (Han, Hiragana, Katakana, Thai, Lao, Khmer, Myanmar) have no such runs: the words of a run are its
// overlapping pairs of characters, or the character itself where it stands alone. A character is a letter with its marks.
package words

import (
	"bytes"
	"unicode/utf8"
	"unsafe"
)

// Unfolded stands in the column folded where nobody has looked at an entry's text yet. No word has this character, and no folded
// text.
const Unfolded = "\ue000"

// Folded is the value of the column folded for a text. It is empty where lower(concat(detail, ' ', details)), as ClickHouse
// has it, has the same words in the same order between its ASCII separators. Otherwise it is the words, joined by spaces.
func Folded(detail, details string) string {
	return string(AppendFolded(nil, detail, unsafe.Slice(unsafe.StringData(details), len(details)))) // it is only read
}

// AppendFolded appends Folded to dst. It allocates nothing for a plain text: ASCII without an escape that hides a letter.
func AppendFolded(dst []byte, detail string, details []byte) []byte {
	if isPlain(detail) && isPlainJSON(unsafe.String(unsafe.SliceData(details), len(details))) {
		return dst
	}
	n := len(dst)
	dst = appendWords(dst, detail, details)
	c := comparison{rest: dst[n:]}
	if compare(&c, detail) && compare(&c, details) && len(c.rest) == 0 {
		return dst[:n]
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

// comparison compares words with what lies between the ASCII separators of texts.
type comparison struct {
	rest  []byte // words that are still to come
	begun bool
}

// compare takes the words of a text off c; it is false when c has others.
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
