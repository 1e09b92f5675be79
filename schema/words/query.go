package words

import (
	"slices"
	"strings"
	"unicode"
)

// Max is how many words a search may have: each is one more look at every text that the index lets through.
const Max = 32

// Query is what a search asks for: a text must have all of its sequences.
type Query struct {
	Sequences []Sequence
	Words     int // as a reader counts them: a run of a script without spaces is one
}

// Sequence are words that follow each other in a text, in this order. There is at least one.
type Sequence []string

// Parse reads a search. Words in quotes follow each other; so do those of a term without spaces, such as a mail address, and
// the pairs of a run without spaces. A quote that is not closed separates words, as any other sign does.
func Parse(search string) Query {
	var q Query
	for {
		before, rest, opened := strings.Cut(search, `"`)
		phrase, after, closed := strings.Cut(rest, `"`)
		if !opened || !closed {
			q.addTerms(search)
			return q
		}
		q.addTerms(before)
		q.add(phrase)
		search = after
	}
}

func (q *Query) addTerms(text string) {
	for term := range strings.FieldsSeq(text) {
		q.add(term)
	}
}

// add takes the words of text as one sequence, unless it is there.
func (q *Query) add(text string) {
	seq, runs := split(text)
	if len(seq) == 0 || slices.ContainsFunc(q.Sequences, func(s Sequence) bool { return slices.Equal(s, seq) }) {
		return
	}
	q.Sequences = append(q.Sequences, seq)
	q.Words += runs
}

// split is the words of a text, and of how many runs they are.
func split(text string) (words []string, runs int) {
	s := splitText(nil, []byte(text))
	if len(s.dst) == 0 {
		return nil, 0
	}
	return strings.Split(string(s.dst), " "), s.runs
}

// Tokens are words of s that a text must have between separators: what to look up before Pattern is tried. A single character
// at an end of s is none, because it may be a part of a longer run.
func (s Sequence) Tokens() []string {
	var tokens []string
	for i, w := range s {
		if !s.part(i) && !slices.Contains(tokens, w) && len(tokens) < Max {
			tokens = append(tokens, w)
		}
	}
	return tokens
}

// Decided tells whether a text that has the Tokens of s has s.
func (s Sequence) Decided() bool { return len(s) == 1 && !s.part(0) }

// part tells whether word i may be a part of a longer run of the text: a character without others at an end of s.
func (s Sequence) part(i int) bool {
	return (i == 0 || i == len(s)-1) && len(characters(s[i])) == 1
}

// separators is the class of what separates words in a folded text, and in the small letters of one that needs no folding.
const separators = "[\\x00-/:-`{-\\x7f]"

// Pattern is a regular expression, as RE2 reads it, that finds s in such texts.
func (s Sequence) Pattern() string {
	begin, end := "(?:^|"+separators+")", "(?:"+separators+"|$)"
	if s.part(0) && glyphOf([]rune(s[0])[0]).kind == character {
		begin = "" // it may be the second character of a pair
	}
	if s.part(len(s) - 1) {
		end = `(?:[^\pM\x{200C}\x{200D}]|$)` // it may be the first character of a pair, all of it
	}
	return begin + strings.Join(s, separators+"+") + end
}

// characters are the characters of a word, of which it has one or two, if its script is without spaces.
func characters(word string) (all []string) {
	from := 0
	for i, r := range word {
		switch k := glyphOf(r).kind; {
		case i == 0 && k != character && k != lone:
			return nil
		case i > 0 && k == character:
			all, from = append(all, word[from:i]), i
		}
	}
	return append(all, word[from:])
}

// Plain are the words of a search as they were before texts were folded: runs of letters and digits, of which only A to Z are
// made small. What has not been folded yet is found by these.
func Plain(search string) []string {
	return strings.FieldsFunc(strings.Map(asciiLower, search), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// asciiLower is ClickHouse's lower: it leaves what is not ASCII alone.
func asciiLower(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}
