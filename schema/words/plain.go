package words

import (
	"strings"
	"unicode/utf8"
	"unsafe"
)

// isPlain reports whether s is ASCII. Nearly every text is: it is checked in steps of 32 bytes, then 8, then 1.
func isPlain(s string) bool {
	const highs = 0x8080808080808080
	for len(s) >= 32 {
		if (eight(s)|eight(s[8:])|eight(s[16:])|eight(s[24:]))&highs != 0 {
			return false
		}
		s = s[32:]
	}
	for len(s) >= 8 {
		if eight(s)&highs != 0 {
			return false
		}
		s = s[8:]
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// eight returns the first eight bytes of s. The compiler makes it one load.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// IsPlainJSON reports whether details need no folding.
func IsPlainJSON(details []byte) bool {
	return isPlainJSON(unsafe.String(unsafe.SliceData(details), len(details))) // not kept
}

// isPlainJSON reports whether s is ASCII and its only escapes are \" \\ and \/, which separate words. Such a text has the same
// words as its decoded form.
func isPlainJSON(s string) bool {
	if !isPlain(s) {
		return false
	}
	for {
		i := strings.IndexByte(s, '\\')
		switch {
		case i < 0:
			return true
		case i+1 == len(s) || s[i+1] != '"' && s[i+1] != '\\' && s[i+1] != '/':
			return false
		}
		s = s[i+2:]
	}
}

// tokenByte returns a byte as hasToken(lower(…), …) of ClickHouse reads it: 0 for a separator, A to Z in lower case.
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
