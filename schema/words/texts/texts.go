// Package texts makes random texts of many scripts, and searches for them, for the tests of the search. The letters of a script are few, so
// that texts have words in common.
package texts

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// script has letters, and marks that may follow them.
type script struct{ letters, marks string }

// scripts lists the scripts of the texts: with case, with marks, without spaces, and beyond the first 65,536 characters.
var scripts = []script{
	{letters: "abEnoSx"},
	{letters: "abEnoSx"},
	{letters: "aéÄößẞñŒ"},
	{letters: "aeiO", marks: "\u0301\u0308\u0327\u0323"}, // accents taken apart
	{letters: "iıIİşĞç", marks: "\u0307"},
	{letters: "ếỖựđĐa"},
	{letters: "ΑλφάΩςΣσΐ"},
	{letters: "ᾳὖᾮΰ"},
	{letters: "аБвёЁжЯ", marks: "\u0306"},
	{letters: "ԱբևԳ"},
	{letters: "აბᲐგ"},
	{letters: "שלוםא", marks: "\u05b8\u05c1\u05b9"},
	{letters: "سلامی", marks: "\u0651\u064b\u200c"},
	{letters: "वडयपर१", marks: "\u0940\u093f\u094d\u093c\u200d"},
	{letters: "কখরয", marks: "\u09be\u09cd\u09c7"},
	{letters: "தமிழ", marks: "\u0bcd\u0bbe"},
	{letters: "ทำงเก๑", marks: "\u0e35\u0e48\u0e38"},
	{letters: "ລາວກ", marks: "\u0eb1\u0ec8"},
	{letters: "កខគ", marks: "\u17d2\u17b6"},
	{letters: "ကခမ", marks: "\u1039\u102d"},
	{letters: "登录成功用户三々"},
	{letters: "たべかきっ", marks: "\u3099"},
	{letters: "サーバガｶﾞ"},
	{letters: "한국어각", marks: "\u11ab"},
	{letters: "한ᄀ"},
	{letters: "ሀለሐ"},
	{letters: "Ꭰꭰᏸ"},
	{letters: "𐐀𐐨𐐁𞤀𞤢𝐀𠀀"},
	{letters: "ﬃŉǰẖǅʼ²½Ⅷª"},
	{letters: "0123459"},
}

// between lists texts that separate words, or seem to.
var between = []string{
	" ", " ", " ", ", ", ". ", "-", "_", "/", ":", "@", "'", `"`, `\`, "\n", "\t", "\x01", "<", "&",
	"’", "“", "”", "–", "…", "。", "，", "「", "€", "\u00a0", "\u3000", "\u200b", "\ufffd", "👍", "❤\ufe0f", "👩\u200d👧", "Ⓐ", "©",
}

// inside are signs that nobody sees as a part of a word.
var inside = []string{
	"\u200c", "\u200d", "\u00ad", "\ufe0f", "\u034f", "\u20e3", "\u2060", "\ufeff", "\u200e", "\u2067", "\u061c", "\u180e", "\U000e0100", "\U000e0062",
}

// Text returns a text of zero to eight words.
func Text(rng *rand.Rand) string {
	var b strings.Builder
	for range rng.IntN(8) {
		if rng.IntN(12) == 0 {
			b.WriteString(pick(rng, inside))
		}
		word(rng, &b)
		if rng.IntN(8) > 0 {
			b.WriteString(pick(rng, between))
		}
	}
	return b.String()
}

func word(rng *rand.Rand, b *strings.Builder) {
	s := pick(rng, scripts)
	letters, marks := []rune(s.letters), []rune(s.marks)
	for range 1 + rng.IntN(4) {
		b.WriteRune(pick(rng, letters))
		for len(marks) > 0 && rng.IntN(3) == 0 {
			b.WriteRune(pick(rng, marks))
		}
		if rng.IntN(60) == 0 {
			b.WriteString(pick(rng, inside))
		}
	}
}

// Details returns a JSON object, or nothing, as different programs would write it.
func Details(rng *rand.Rand) string {
	if rng.IntN(4) == 0 {
		return ""
	}
	var members []string
	for i := range rng.IntN(4) {
		key := fmt.Sprint("k", i)
		if rng.IntN(4) == 0 {
			key += Text(rng)
		}
		value := quote(rng, Text(rng))
		switch rng.IntN(10) {
		case 0:
			value = fmt.Sprint(rng.IntN(50) - 20)
		case 1:
			value = pick(rng, []string{"true", "null", "-1.50E+3", "{}", "[]"})
		case 2:
			value = "[" + value + "," + quote(rng, Text(rng)) + "]"
		}
		members = append(members, quote(rng, key)+pick(rng, []string{":", ": "})+value)
	}
	return "{" + strings.Join(members, pick(rng, []string{",", ", "})) + "}"
}

// quote writes s with the necessary escapes, with escapes of all non-ASCII characters, or with some unnecessary escapes.
func quote(rng *rand.Rand, s string) string {
	encoded, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	escapes := rng.IntN(3)
	if escapes == 0 {
		return string(encoded)
	}
	var b strings.Builder
	for _, r := range string(encoded) {
		switch {
		case r < 0x80 && (escapes == 1 || !unicode.IsLetter(r) || rng.IntN(20) > 0 || b.Len() == 0 || strings.HasSuffix(b.String(), `\`)), r >= 0x80 && escapes == 2 && rng.IntN(2) == 0:
			b.WriteRune(r)
		default:
			escape(&b, r)
		}
	}
	if v := b.String(); json.Valid([]byte(v)) {
		return v
	}
	return string(encoded) // an escape within an escape
}

func escape(b *strings.Builder, r rune) {
	if r > 0xFFFF {
		r -= 0x10000
		fmt.Fprintf(b, `\u%04x\u%04X`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		return
	}
	fmt.Fprintf(b, `\u%04x`, r)
}

// Words are the runs of letters, marks and numbers of a text, with what nobody sees, as they are written.
func Words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.Cf) || r == '\u200b'
	})
}

// Seen is text without the signs that nobody sees.
func Seen(text string) string {
	for _, sign := range inside {
		text = strings.ReplaceAll(text, sign, "")
	}
	return text
}

// Unseen is text with such signs between its characters.
func Unseen(rng *rand.Rand, text string) string {
	var b strings.Builder
	for i, r := range text {
		if i > 0 && rng.IntN(3) == 0 {
			b.WriteString(pick(rng, inside))
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Cased is s in another case.
func Cased(rng *rand.Rand, s string) string {
	switch rng.IntN(6) {
	case 0:
		return strings.ToUpper(s)
	case 1:
		return strings.ToLower(s)
	case 2:
		return strings.ToTitle(s)
	case 3:
		return cases.Upper(language.Und).String(s)
	case 4:
		return cases.Lower(language.Und).String(s)
	}
	return s
}

// Search returns a search that may or may not find an entry with the text: words of it, in any case, a part of it, all of it in quotes, or
// something else.
func Search(rng *rand.Rand, text string) string {
	switch words := Words(text); rng.IntN(7) {
	case 0:
		return Text(rng)
	case 1:
		return `"` + text + `"`
	case 2, 3:
		if len(words) > 0 {
			return Cased(rng, pick(rng, words))
		}
	case 4:
		if len(words) > 1 {
			return Cased(rng, pick(rng, words)) + " " + pick(rng, words)
		}
	case 5:
		if len(words) > 1 {
			return pick(rng, words) + pick(rng, between) + pick(rng, words)
		}
	}
	runes := []rune(text)
	if len(runes) == 0 {
		return "nothing"
	}
	from := rng.IntN(len(runes))
	return pick(rng, []string{"", `"`}) + string(runes[from:min(len(runes), from+1+rng.IntN(8))]) + pick(rng, []string{"", `"`})
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }
