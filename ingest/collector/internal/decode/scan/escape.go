package scan

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escaped reads the rest of a string that begins at start. The first byte that is not plain is at end.
func (s *Scanner) escaped(start, end int) ([]byte, error) {
	from := len(s.decoded)
	for {
		s.decoded = append(s.decoded, s.text[start:end]...)
		s.pos = end
		switch {
		case end == len(s.text):
			return nil, s.Fail("'\"' expected")
		case s.text[end] == '"':
			s.pos++
			return s.finish(s.decoded[from:]), nil
		case s.text[end] != '\\':
			return nil, s.Fail("no control character in a string expected")
		}
		if err := s.escape(); err != nil {
			return nil, err
		}
		start = s.pos
		end, _ = plain(s.text, start) // finish looks at the whole string
	}
}

func (s *Scanner) finish(str []byte) []byte {
	if !utf8.Valid(str) {
		s.found(BadUTF8)
	}
	if bytes.IndexByte(str, 0) >= 0 {
		s.found(NUL)
	}
	return str
}

// escape reads one escape sequence.
func (s *Scanner) escape() error {
	s.pos++
	if s.pos < len(s.text) {
		if c := escapes[s.text[s.pos]]; c != 0 {
			s.pos++
			s.decoded = append(s.decoded, c)
			return nil
		}
		if s.text[s.pos] == 'u' {
			return s.unicode()
		}
	}
	return s.Fail("an escape sequence expected")
}

// unicode reads \uXXXX, or two of them that form a surrogate pair (RFC 8259, section 7).
func (s *Scanner) unicode() error {
	r, err := s.hex()
	if err != nil {
		return err
	}
	if utf16.IsSurrogate(r) {
		if s.pos+1 >= len(s.text) || s.text[s.pos] != '\\' || s.text[s.pos+1] != 'u' {
			s.half()
			return nil
		}
		second := s.pos
		s.pos++
		low, err := s.hex()
		if err != nil {
			return err
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			s.half()
			s.pos = second // the second one may begin a pair of its own
			return nil
		}
	}
	s.decoded = utf8.AppendRune(s.decoded, r)
	return nil
}

// half reads half of a pair as U+FFFD, as encoding/json does.
func (s *Scanner) half() {
	s.found(Surrogate)
	s.decoded = utf8.AppendRune(s.decoded, utf8.RuneError)
}

// hex reads u and four hexadecimal digits.
func (s *Scanner) hex() (rune, error) {
	var r rune
	for range 4 {
		s.pos++
		if s.pos >= len(s.text) {
			return 0, s.Fail("four hexadecimal digits expected")
		}
		switch c := s.text[s.pos]; {
		case c-'0' <= 9:
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, s.Fail("four hexadecimal digits expected")
		}
	}
	s.pos++
	return r, nil
}
