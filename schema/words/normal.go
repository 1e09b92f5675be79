package words

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normal returns the normal form of a text. Texts that differ only in case, or in how they encode the same characters, have the
// same normal form. It is that of a canonical caseless match (The Unicode Standard, D145), composed, with i for the Turkish İ and ı. What
// is ignored is left out first: a mark behind it belongs to the letter before it.
func normal(text []byte) []byte {
	apart := norm.NFD.Bytes(withoutIgnored(text))
	folded := make([]byte, 0, len(apart))
	dotted := false // after an i, perhaps with marks that are not above it
	for i := 0; i < len(apart); {
		r, n := utf8.DecodeRune(apart[i:])
		g := glyphOf(r)
		switch {
		case dotted && r == dotAbove: // an İ is I and this dot when it is decomposed
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

func withoutIgnored(text []byte) []byte {
	isFree := func(r rune) bool { return r < utf8.RuneSelf || glyphOf(r).kind != ignored }
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if !isFree(r) {
			return bytes.Map(func(r rune) rune {
				if isFree(r) {
					return r
				}
				return -1
			}, text)
		}
		i += n
	}
	return text
}

const above = 230 // the combining class of marks above a letter
