package words

import (
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normal is the normal form of a text: texts that differ in case, or in how they write the same characters, have the same. It
// is the canonical caseless match of Unicode (The Unicode Standard, D145), composed, with the Turkish İ and ı as the letter i.
func normal(text []byte) []byte {
	apart := norm.NFD.Bytes(text)
	folded := make([]byte, 0, len(apart))
	dotted := false // an i, or an i with marks that do not stand above it
	for i := 0; i < len(apart); {
		r, n := utf8.DecodeRune(apart[i:])
		g := glyphOf(r)
		switch {
		case dotted && r == dotAbove: // what İ has, taken apart
			i += n
			continue
		case g.size == 1 && g.to[0] == 'i':
			dotted = true
		case dotted:
			dotted = g.rank != 0 && g.rank != above
		}
		folded = append(folded, g.to[:g.size]...)
		i += n
	}
	return norm.NFC.Bytes(folded)
}

const above = 230 // the combining class of marks above a letter
