package words

import (
	"bytes"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// appendUnescaped appends JSON with the escapes of its strings decoded. It needs no parser: the punctuation of JSON separates words
// anyway, and a backslash occurs only in strings.
func appendUnescaped(dst, s []byte) []byte {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 || i+1 == len(s) {
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		r, n := escaped(s[i+1:])
		dst = utf8.AppendRune(dst, r)
		s = s[i+1+n:]
	}
}

// escaped returns the character of an escape, and the length of the escape without its backslash. Half of a surrogate pair is
// U+FFFD. An unknown escape is the character itself.
func escaped(s []byte) (r rune, n int) {
	switch s[0] {
	case 'b', 'f', 'n', 'r', 't':
		return ' ', 1 // every control character separates words
	case 'u':
		r, ok := hex4(s[1:])
		if !ok {
			break
		}
		if !utf16.IsSurrogate(r) {
			return r, 5
		}
		if len(s) > 6 && s[5] == '\\' && s[6] == 'u' {
			if low, ok := hex4(s[7:]); ok && utf16.DecodeRune(r, low) != unicode.ReplacementChar {
				return utf16.DecodeRune(r, low), 11
			}
		}
		return unicode.ReplacementChar, 5
	}
	r, n = utf8.DecodeRune(s)
	return r, n
}

// hex4 reads four hexadecimal digits.
func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for _, c := range s[:4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
