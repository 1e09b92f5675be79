package words

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Max is the most words that a search may have. Each further word is one more test of every text that passes the index.
const Max = 32

// Query is a parsed search. A text matches if it has all sequences.
type Query struct {
	Sequences []Sequence
	Words     int // a run of a script without spaces counts as one
}

// Sequence is a list of words, at least one, that must follow each other in a text.
type Sequence []string

// Parse parses a search. Words in double quotes form a sequence; typographic quotes, which phones type, count as well. The words of a term
// without spaces also form a sequence, such as a mail address or a run of Chinese. A quote that is not closed is a separator.
func Parse(search string) Query {
	var q Query
	for {
		before, phrase, after, found := cutQuoted(search)
		if !found {
			q.addTerms(search)
			return q
		}
		q.addTerms(before)
		q.add(phrase)
		search = after
	}
}

// quotes maps the opening quotes to their closing quotes.
var quotes = map[rune]string{'"': `"`, '“': "”", '„': "“”", '«': "»"}

// cutQuoted cuts text at its first pair of quotes.
func cutQuoted(text string) (before, quoted, after string, found bool) {
	for i, r := range text {
		closing, opens := quotes[r]
		if !opens {
			continue
		}
		rest := text[i+utf8.RuneLen(r):]
		if end := strings.IndexAny(rest, closing); end >= 0 {
			_, size := utf8.DecodeRuneInString(rest[end:])
			return text[:i], rest[:end], rest[end+size:], true
		}
	}
	return text, "", "", false
}

func (q *Query) addTerms(text string) {
	for term := range strings.FieldsSeq(text) {
		q.add(term)
	}
}

// add adds the words of text as one sequence, unless q has it already.
func (q *Query) add(text string) {
	seq, runs := split(text)
	if len(seq) == 0 || slices.ContainsFunc(q.Sequences, func(s Sequence) bool { return slices.Equal(s, seq) }) {
		return
	}
	q.Sequences = append(q.Sequences, seq)
	q.Words += runs
}

// split returns the words of a text, and the number of runs that they come from.
func split(text string) (words []string, runs int) {
	s := splitText(nil, []byte(text))
	if len(s.dst) == 0 {
		return nil, 0
	}
	return strings.Split(string(s.dst), " "), s.runs
}

// Tokens returns words of s that occur between separators in every matching text. They are tested before Pattern, because an index
// can find them. A single character at an end of s is left out, because it may be part of a longer run.
func (s Sequence) Tokens() []string {
	var tokens []string
	for i, w := range s {
		if !s.part(i) && !slices.Contains(tokens, w) && len(tokens) < Max {
			tokens = append(tokens, w)
		}
	}
	return tokens
}

// Decided reports whether every text that has the Tokens of s has s.
func (s Sequence) Decided() bool { return len(s) == 1 && !s.part(0) }

// part reports whether word i may be part of a longer run of the text: a single character at an end of s.
func (s Sequence) part(i int) bool {
	return (i == 0 || i == len(s)-1) && len(characters(s[i])) == 1
}

// separators matches a separator of words in a folded text, and in the lower case of a text that needs no folding.
const separators = "[\\x00-/:-`{-\\x7f]"

// Pattern returns a regular expression, in the syntax of RE2, that finds s in such texts.
func (s Sequence) Pattern() string {
	begin, end := "(?:^|"+separators+")", "(?:"+separators+"|$)"
	if s.part(0) && glyphOf([]rune(s[0])[0]).kind == character {
		begin = "" // may be the second character of a pair
	}
	if s.part(len(s) - 1) {
		end = `(?:[^\pM]|$)` // may be the first character of a pair, with all its marks
	}
	return begin + strings.Join(s, separators+"+") + end
}

// characters returns the one or two characters of a word in a script without spaces; nil for other words.
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

// Plain returns the words of a search by the older rule: runs of letters and digits, with only A to Z in lower case. They find
// entries that are not folded yet.
func Plain(search string) []string {
	return strings.FieldsFunc(strings.Map(asciiLower, search), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// asciiLower does what ClickHouse's lower() does: it changes only ASCII letters.
func asciiLower(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}
