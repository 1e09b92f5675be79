package words

import "slices"

// Matches reports whether an entry's text matches q. Queries of the tables must give the same result.
func (q Query) Matches(detail, details string) bool { return q.In(All(detail, details)) }

// All returns the words of an entry's text in their order.
func All(detail, details string) []string {
	all, _ := split(detail + " " + string(appendUnescaped(nil, []byte(details))))
	return all
}

// In reports whether a text with these words matches q. A search without words matches nothing.
func (q Query) In(text []string) bool {
	return len(q.Sequences) > 0 && !slices.ContainsFunc(q.Sequences, func(s Sequence) bool { return !s.in(text) })
}

// in reports whether the words of s follow each other in text.
func (s Sequence) in(text []string) bool {
	for ; len(text) >= len(s); text = text[1:] {
		if s.begins(text) {
			return true
		}
	}
	return false
}

// begins reports whether text begins with s. The first word may be the end of a run, and the last word the beginning of one.
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
