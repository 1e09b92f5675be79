package words

import "unicode/utf8"

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// isPlain tells whether s is ASCII. Nearly every text is, so it looks at eight bytes at a time.
func isPlain(s string) bool {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if eight(s[i:])&highs != 0 {
			return false
		}
	}
	for ; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isPlainJSON tells whether s is ASCII with no escapes but those of characters that separate words, \" \\ and \/: between
// separators, it has the same words as its decoded form.
func isPlainJSON(s string) bool {
	const backslashes = '\\' * ones
	i := 0
	for i+8 <= len(s) {
		w := eight(s[i:])
		x := w ^ backslashes // a byte of 0 where w has a backslash: only there, or above it, the subtraction borrows
		if (w|(x-ones)&^x)&highs == 0 {
			i += 8
			continue
		}
		n := plainPrefix(s[i:], 8)
		if n < 0 {
			return false
		}
		i += n
	}
	return plainPrefix(s[i:], len(s)-i) >= 0
}

// plainPrefix looks at least at the first n bytes of s. It returns how many it has seen, or -1 where they are not plain.
func plainPrefix(s string, n int) int {
	i := 0
	for ; i < n; i++ {
		switch {
		case s[i] >= utf8.RuneSelf:
			return -1
		case s[i] != '\\':
		case i+1 == len(s):
			return -1
		case s[i+1] != '"' && s[i+1] != '\\' && s[i+1] != '/':
			return -1
		default:
			i++
		}
	}
	return i
}

// eight is the first eight bytes of s; the compiler makes it one load.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// tokenByte is what ClickHouse's hasToken(lower(…), …) sees of a byte: 0 for a separator, a small letter for a large one.
var tokenByte = func() (t [256]byte) {
	for c := range t {
		switch b := byte(c); {
		case b >= utf8.RuneSelf, '0' <= b && b <= '9', 'a' <= b && b <= 'z':
			t[c] = b
		case 'A' <= b && b <= 'Z':
			t[c] = b - 'A' + 'a'
		}
	}
	return t
}()
