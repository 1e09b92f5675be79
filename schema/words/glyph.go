package words

import (
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// kind says how the splitter treats a character.
type kind uint8

const (
	separator kind = iota
	ignored        // no part of a word, and no end of one
	letter         // or number, of a script with spaces
	mark           // belongs to the letter before it
	character      // a letter or number of a script without spaces
	lone           // a mark of a script without spaces: a character of its own if no letter precedes it
)

// glyph has the properties of a character that the splitter needs.
type glyph struct {
	kind kind
	odd  bool     // its normal form depends on its neighbours: the whole text must be normalized
	rank uint8    // canonical combining class: the marks of a letter are in rising order; 0 if it is not a combining mark
	size uint8    // of to
	to   [14]byte // its folded form, composed
}

// spaceless are the scripts without spaces, and characters of these scripts that Unicode assigns to no single script.
var spaceless = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
	{R16: []unicode.Range16{
		{Lo: 0x3031, Hi: 0x3035, Stride: 1}, // kana repeat marks
		{Lo: 0x303C, Hi: 0x303C, Stride: 1}, // masu mark
		{Lo: 0x3099, Hi: 0x309A, Stride: 1}, // voiced sound marks
		{Lo: 0x30FC, Hi: 0x30FC, Stride: 1}, // prolonged sound mark
		{Lo: 0xFF70, Hi: 0xFF70, Stride: 1}, // its narrow form
		{Lo: 0xFF9E, Hi: 0xFF9F, Stride: 1}, // narrow voiced sound marks
	}},
}

const (
	joinMark      = '\u034F' // combining grapheme joiner
	wordSpace     = '\u200B' // zero width space
	dotAbove      = '\u0307'
	ypogegrammeni = '\u0345' // the only mark that folds to a letter
)

// isIgnored reports whether r is invisible, or drawn around a letter: hyphens that only show at the end of a line, joiners and
// non-joiners, directions, tags, variation selectors. A reader does not see them, and types a word with or without them. Unicode keeps
// them out of the search for the ends of words, too (UAX #29, rule WB4). The zero width space separates words. Signs that are drawn
// before a number are formats by name only.
func isIgnored(r rune) bool {
	if r < 0xAD {
		return false // nearly every character that is asked for
	}
	return r == joinMark || unicode.In(r, unicode.Variation_Selector, unicode.Me) ||
		unicode.Is(unicode.Cf, r) && r != wordSpace && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

func kindOf(r rune) kind {
	switch {
	case isIgnored(r):
		return ignored
	case unicode.IsMark(r) && unicode.In(r, spaceless...):
		return lone
	case unicode.IsMark(r):
		return mark
	case !unicode.IsLetter(r) && !unicode.IsNumber(r):
		return separator
	case unicode.In(r, spaceless...):
		return character
	}
	return letter
}

// pages have the glyphs of 256 characters each. A page is made when it is first needed.
var pages [unicode.MaxRune>>8 + 1]atomic.Pointer[[256]glyph]

func glyphOf(r rune) *glyph {
	p := pages[r>>8].Load()
	if p == nil {
		p = new([256]glyph)
		for i := range p {
			p[i] = newGlyph(r&^0xFF | rune(i))
		}
		pages[r>>8].Store(p)
	}
	return &p[r&0xFF]
}

func newGlyph(r rune) glyph {
	g := glyph{kind: kindOf(r)}
	if !utf8.ValidRune(r) {
		return g
	}
	apart := norm.NFD.String(string(r))
	to := norm.NFC.String(cases.Fold().String(apart))
	switch {
	case r == 'İ' || r == 'ı':
		to = "i"
	case unicode.Is(unicode.Cherokee, r): // Unicode folds it to upper case; x/text swaps the cases
		to = string(unicode.ToUpper(r))
	}
	g.size = uint8(copy(g.to[:], to))
	g.rank = norm.NFC.PropertiesString(string(r)).CCC()
	// A character is odd if it is not composed or can compose with what precedes it, and a letter also if this is so for its folded
	// form, or if it contains the iota: a following mark has to come before the letter that the iota becomes.
	g.odd = norm.NFC.QuickSpanString(string(r)) < utf8.RuneLen(r) || strings.ContainsRune(apart, ypogegrammeni) ||
		(g.kind == letter || g.kind == character) && !norm.NFC.PropertiesString(to).BoundaryBefore()
	return g
}
