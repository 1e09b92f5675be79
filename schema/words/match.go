package words

import "slices"

// Matches tells whether an entry's text has what q asks for. The tables are asked in SQL; this is what their answer must be.
func (q Query) Matches(detail, details string) bool { return q.In(All(detail, details)) }

// All are the words of an entry's text, in their order.
func All(detail, details string) []string {
	all, _ := split(detail + " " + string(appendUnescaped(nil, []byte(details))))
	return all
}

// In tells whether a text of these words has what q asks for. A search without words finds nothing.
func (q Query) In(text []string) bool {
	return len(q.Sequences) > 0 && !slices.ContainsFunc(q.Sequences, func(s Sequence) bool { return !s.in(text) })
}

// in tells whether the words of s follow each other in text.
func (s Sequence) in(text []string) bool {
	for ; len(text) >= len(s); text = text[1:] {
		if s.begins(text) {
			return true
		}
	}
	return false
}

// begins tells whether text begins with s, but for the runs that its first word ends and its last word begins.
func (s Sequence) begins(text []string) bool {
	for i, w := range s {
		if w == text[i] {
			continue
		}
		chars := characters(text[i])
		switch {
		case !s.part(i) || len(chars) == 0:
			return false
		case i == 0 && w == chars[len(chars)-1]:
		case i == len(s)-1 && w == chars[0]:
		default:
			return false
		}
	}
	return true
}
