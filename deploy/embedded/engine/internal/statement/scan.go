package statement

import (
	"errors"
	"fmt"
	"strings"
)

// scan holds the tokens of a statement.
type scan struct {
	lexer
	tokens  []token
	stop    int  // where the statement ends, without its ";", or its FORMAT or VALUES before data
	data    int  // where an INSERT's data begin; the end of the text for all others
	selects bool // an INSERT whose rows come from a SELECT
	values  bool // an INSERT whose rows follow VALUES
}

// all reads the tokens up to the statement's end or its data.
func (sc *scan) all() error {
	for depth := 0; ; {
		t, err := sc.next()
		if err != nil {
			return err
		}
		closes := sc.text[t.start:t.end] == ")"
		if closes {
			depth--
		}
		ends := t.kind == end || sc.text[t.start:t.end] == ";"
		if depth < 0 || ends && depth > 0 {
			return sc.fail(t.start, "parentheses do not match")
		}
		if ends {
			return sc.last(t)
		}
		t.depth = depth
		sc.tokens = append(sc.tokens, t)
		if sc.text[t.start:t.end] == "(" {
			depth++
		}
		if sc.upper(0) == "INSERT" && t.kind == word && sc.dataFollow() {
			return nil
		}
	}
}

// last notes the end of the statement: the end of the text, or a ";" that is followed only by blanks.
func (sc *scan) last(t token) error {
	sc.stop, sc.data = t.start, len(sc.text)
	if t.kind == end {
		return nil
	}
	if after, err := sc.next(); err != nil || after.kind != end {
		return errors.Join(fmt.Errorf("%w: more than one statement", ErrForbidden), err)
	}
	return nil
}

// dataFollow reports whether the newest token, a word, is the last one before an INSERT's data.
func (sc *scan) dataFollow() bool {
	n := len(sc.tokens) - 1
	depth, w := sc.tokens[n].depth, sc.upper(n)
	if n > 2 && (w == "SELECT" || w == "WITH") && (depth == 0 || sc.is(n-1, "(")) {
		sc.selects = true
	}
	if n < 3 || depth > 0 || sc.selects {
		return false
	}
	switch {
	case sc.upper(n-1) == "FORMAT":
		sc.stop, sc.data = sc.tokens[n-1].start, sc.tokens[n].end
	case w == "VALUES":
		sc.values = true
		sc.stop, sc.data = sc.tokens[n].start, sc.tokens[n].end
	default:
		return false
	}
	return true
}

// first returns the first token that is not the parenthesis of a SELECT.
func (sc *scan) first() int {
	i := 0
	for sc.is(i, "(") {
		i++
	}
	return i
}

// find returns the first token that is this word, or -1.
func (sc *scan) find(w string) int {
	for i := range sc.tokens {
		if sc.upper(i) == w {
			return i
		}
	}
	return -1
}

func (sc *scan) string(i int) string {
	if i < 0 || i >= len(sc.tokens) {
		return ""
	}
	return sc.text[sc.tokens[i].start:sc.tokens[i].end]
}

// is reports whether token i is this symbol.
func (sc *scan) is(i int, symbol string) bool { return sc.string(i) == symbol }

// upper returns a bare word in upper case, and "" for anything else.
func (sc *scan) upper(i int) string {
	if i < 0 || i >= len(sc.tokens) || sc.tokens[i].kind != word {
		return ""
	}
	return strings.ToUpper(sc.string(i))
}
