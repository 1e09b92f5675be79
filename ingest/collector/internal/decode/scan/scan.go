// Package scan reads JSON strictly and without allocations. It has two kinds of fault. After a SyntaxError the rest of the
// text cannot be read. A Flaw (a duplicate key, NUL, invalid UTF-8, half of a surrogate pair, too many keys) is a fault of one
// value; the rest can be read. encoding/json accepts everything that this package accepts, with the same meaning.
package scan

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"

	"github.com/activitylog/activitylog/schema"
)

// SyntaxError means that a text is not JSON, or is nested deeper than schema.MaxDepth.
type SyntaxError struct {
	Offset int    // bytes from the start of the text
	Want   string // what was expected there
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("malformed JSON at byte %d: %s", e.Offset, e.Want)
}

// Unwrap makes it schema.ErrInvalid.
func (e *SyntaxError) Unwrap() error { return schema.ErrInvalid }

// Flaw is a fault of one value.
type Flaw uint8

// The flaws of a value; the first one found counts, but Surrogate only if there is no other: it is the one that a caller may
// overlook. Half of a pair is left when a text was cut within an emoji, and is read as U+FFFD.
const (
	Sound Flaw = iota
	Surrogate
	BadUTF8
	NUL
	Duplicate
	ManyKeys
)

// Issue returns the code of a flaw and its text, which follows a field's name.
func (f Flaw) Issue() (code, issue string) {
	switch f {
	case BadUTF8:
		return "UTF8", "must be valid UTF-8"
	case Surrogate:
		return "UTF8", "must not contain half of a surrogate pair"
	case NUL:
		return "NUL", "must not contain NUL"
	case Duplicate:
		return "DUPLICATE", "must not be given twice"
	case ManyKeys:
		return "TOO_MANY", fmt.Sprintf("at most %d keys in one object", schema.MaxKeys)
	}
	return "", ""
}

// Scanner reads one text from its start to its end. The slices that it returns share the memory of the text or of the
// Scanner; they are valid until the next Reset or Forget. The zero value needs a Reset.
type Scanner struct {
	text    []byte
	pos     int
	decoded []byte   // strings that had escapes
	keys    [][]byte // of the objects that Skip is in
	flaw    Flaw
	twice   string // the key of a Duplicate
}

// Reset starts to read text.
func (s *Scanner) Reset(text []byte) {
	s.text, s.pos, s.flaw, s.twice = text, 0, Sound, ""
	s.decoded, s.keys = s.decoded[:0], s.keys[:0]
}

// BOM is the byte order mark in UTF-8.
const BOM = "\ufeff"

// SkipBOM skips a byte order mark at the beginning of the text. RFC 8259, section 8.1 forbids it, but Windows programs write it.
func (s *Scanner) SkipBOM() {
	if s.pos == 0 && len(s.text) >= len(BOM) && string(s.text[:len(BOM)]) == BOM {
		s.pos = len(BOM)
	}
}

// Forget reuses the memory of the strings read so far for the rest of the text.
func (s *Scanner) Forget() { s.decoded, s.keys = s.decoded[:0], s.keys[:0] }

// Held returns the number of bytes that s keeps for its next use.
func (s *Scanner) Held() int { return cap(s.decoded) }

// Pos returns the number of bytes read.
func (s *Scanner) Pos() int { return s.pos }

// Since returns the text from start to Pos.
func (s *Scanner) Since(start int) []byte { return s.text[start:s.pos] }

// TakeFlaw returns the first flaw since the last call, and the key of a Duplicate.
func (s *Scanner) TakeFlaw() (Flaw, string) {
	f, key := s.flaw, s.twice
	s.flaw, s.twice = Sound, ""
	return f, key
}

func (s *Scanner) found(f Flaw) {
	if s.flaw <= Surrogate {
		s.flaw = f
	}
}

// Fail returns a SyntaxError at Pos.
func (s *Scanner) Fail(want string) error {
	if s.pos >= len(s.text) {
		want = "unexpected end, " + want
	}
	return &SyntaxError{Offset: s.pos, Want: want}
}

// Peek skips white space and returns the byte that follows, 0 at the end of the text.
func (s *Scanner) Peek() byte {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// End returns an error unless only white space is left.
func (s *Scanner) End() error {
	if s.Peek(); s.pos < len(s.text) {
		return s.Fail("end of the text expected")
	}
	return nil
}

// Take skips white space and then the byte c. It is false if another byte follows.
func (s *Scanner) Take(c byte) bool {
	if s.Peek() != c || s.pos >= len(s.text) {
		return false
	}
	s.pos++
	return true
}

// Key reads an object's key and the colon after it.
func (s *Scanner) Key() ([]byte, error) {
	if s.Peek() != '"' {
		return nil, s.Fail("a key in quotes expected")
	}
	key, err := s.String()
	if err != nil {
		return nil, err
	}
	if !s.Take(':') {
		return nil, s.Fail("':' expected")
	}
	return key, nil
}

// Next skips the comma between two members of an object or array. It is false when end, the closing bracket, follows.
func (s *Scanner) Next(end byte) (bool, error) {
	switch s.Peek() {
	case ',':
		s.pos++
		return true, nil
	case end:
		s.pos++
		return false, nil
	}
	return false, s.Fail("',' or '" + string(end) + "' expected")
}

// Null skips the literal null. It is false if something else follows.
func (s *Scanner) Null() (bool, error) {
	if s.Peek() != 'n' {
		return false, nil
	}
	return true, s.literal("null")
}

func (s *Scanner) literal(word string) error {
	if len(s.text)-s.pos < len(word) || string(s.text[s.pos:s.pos+len(word)]) != word {
		return s.Fail("a value expected")
	}
	s.pos += len(word)
	return nil
}

// String reads a string, which must be next, and decodes it.
func (s *Scanner) String() ([]byte, error) {
	start := s.pos + 1
	end, ascii := plain(s.text, start)
	if end < len(s.text) && s.text[end] == '"' {
		s.pos = end + 1
		str := s.text[start:end]
		if !ascii && !utf8.Valid(str) {
			s.found(BadUTF8)
		}
		return str, nil
	}
	return s.escaped(start, end)
}

const (
	ones    = 0x0101010101010101
	highs   = ones << 7
	quotes  = ones * '"'
	slashes = ones * '\\'
	spaces  = ones * ' '
)

// plain returns the index of the first byte from i on that is a quote, a backslash or a control character, and whether all bytes
// before it are ASCII. It reads eight bytes at a time: most of a body's bytes go through this loop.
func plain(b []byte, i int) (end int, ascii bool) {
	var seen uint64
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		q, e := x^quotes, x^slashes
		if m := ((q-ones)&^q | (e-ones)&^e | (x-spaces)&^x) & highs; m != 0 {
			at := bits.TrailingZeros64(m) &^ 7
			return i + at/8, (seen|x&(1<<at-1))&highs == 0
		}
		seen |= x
	}
	for ; i < len(b); i++ {
		c := b[i]
		if c == '"' || c == '\\' || c < ' ' {
			break
		}
		seen |= uint64(c)
	}
	return i, seen&highs == 0
}

// Integer reads a number, which must be next. ok is false for one with a fraction or an exponent, and for one beyond int64.
func (s *Scanner) Integer() (n int64, ok bool, err error) {
	start := s.pos
	whole, err := s.number()
	if err != nil || !whole {
		return 0, false, err
	}
	digits := s.text[start:s.pos]
	negative := digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) > 18 { // 10^18 < 2^63; no time has more digits
		return 0, false, nil
	}
	for _, c := range digits {
		n = n*10 + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true, nil
}

func (s *Scanner) number() (whole bool, err error) {
	if s.pos < len(s.text) && s.text[s.pos] == '-' {
		s.pos++
	}
	first := s.pos
	if s.digits() == 0 {
		return false, s.Fail("a digit expected")
	}
	if s.text[first] == '0' && s.pos > first+1 {
		s.pos = first + 1
		return false, s.Fail("no digit after a leading zero expected")
	}
	whole = true
	if s.pos < len(s.text) && s.text[s.pos] == '.' {
		s.pos++
		whole = false
		if s.digits() == 0 {
			return false, s.Fail("a digit expected")
		}
	}
	if s.pos < len(s.text) && s.text[s.pos]|0x20 == 'e' {
		s.pos++
		whole = false
		if s.pos < len(s.text) && (s.text[s.pos] == '+' || s.text[s.pos] == '-') {
			s.pos++
		}
		if s.digits() == 0 {
			return false, s.Fail("a digit expected")
		}
	}
	return whole, nil
}

func (s *Scanner) digits() int {
	start := s.pos
	for s.pos < len(s.text) && s.text[s.pos]-'0' <= 9 {
		s.pos++
	}
	return s.pos - start
}
