package validate

import (
	"strings"
	"unicode/utf8"
)

// isText says whether s is UTF-8 without NUL.
func isText(s string) bool {
	valid, _ := inspect(s)
	return valid
}

// inspect says whether s is UTF-8 without NUL, and whether it is ASCII. Nearly every text is ASCII: it is checked eight bytes at
// a time.
func inspect(s string) (valid, ascii bool) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		// The subtraction borrows only at a byte of 0, and sets that byte's high bit.
		if w := word(s[i : i+8]); (w|(w-ones))&highs != 0 {
			return isAnyText(s[i:]), false
		}
	}
	for ; i < len(s); i++ {
		if s[i] == 0 || s[i] >= utf8.RuneSelf {
			return isAnyText(s[i:]), false
		}
	}
	return true, true
}

func isAnyText(s string) bool { return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) }

// word returns the first eight bytes of s. The compiler makes it one load.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
