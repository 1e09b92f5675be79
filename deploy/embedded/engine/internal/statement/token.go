// Package statement parses enough of ClickHouse's SQL to know what a statement does before the engine executes it.
//
// It promises to refuse what it does not understand: more than one statement, an unknown kind of statement, access to files,
// networks or the session, and every byte sequence that the engine might read differently.
package statement

import (
	"errors"
	"fmt"
	"strings"
)

// ErrSyntax means that the text cannot be parsed safely; the error says where and why.
var ErrSyntax = errors.New("syntax error")

type tokenKind uint8

const (
	end tokenKind = iota
	word
	quoted // an identifier in back quotes or double quotes
	literal
	symbol
)

type token struct {
	kind       tokenKind
	start, end int // bytes of the text
	depth      int // number of parentheses around it
}

// lexer follows ClickHouse's lexer (src/Parsers/Lexer.cpp). It refuses what ClickHouse supports but nobody needs here: heredocs,
// typographic quotes and unusual spaces.
type lexer struct {
	text string
	pos  int
}

func (l *lexer) next() (token, error) {
	if err := l.skipBlanks(); err != nil {
		return token{}, err
	}
	start := l.pos
	if start >= len(l.text) {
		return token{kind: end, start: start, end: start}, nil
	}
	kind := symbol
	var err error
	switch c := l.text[start]; {
	case isWord(c):
		kind = word
		for l.pos < len(l.text) && isWord(l.text[l.pos]) {
			l.pos++
		}
	case c == '\'':
		kind = literal
		err = l.quotedBy(c)
	case c == '`' || c == '"':
		kind = quoted
		err = l.quotedBy(c)
	case c == '$' || c == '\\' || c >= 0x7f || c < ' ':
		err = l.fail(start, "unexpected byte %q", c)
	default:
		l.pos++
	}
	return token{kind: kind, start: start, end: l.pos}, err
}

// skipBlanks skips spaces and comments.
func (l *lexer) skipBlanks() error {
	for l.pos < len(l.text) {
		rest := l.text[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "# "), strings.HasPrefix(rest, "#!"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			l.pos += n
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				return l.fail(l.pos, "comment without end")
			}
			l.pos += n + 4
		default:
			return nil
		}
	}
	return nil
}

// quotedBy skips a literal or identifier in quotes. A backslash or a doubled quote escapes.
func (l *lexer) quotedBy(quote byte) error {
	start := l.pos
	raw := start > 0 && quote == '\'' && isWord(l.text[start-1]) // x'…' and b'…' have no escapes
	for l.pos++; l.pos < len(l.text); l.pos++ {
		switch c := l.text[l.pos]; {
		case c == '\\' && raw:
			return l.fail(l.pos, "backslash in a literal with a prefix")
		case c == '\\':
			l.pos++
		case c == quote && l.pos+1 < len(l.text) && l.text[l.pos+1] == quote:
			if raw {
				return l.fail(l.pos, "quote in a literal with a prefix")
			}
			l.pos++
		case c == quote:
			l.pos++
			return nil
		}
	}
	return l.fail(start, "quote without end")
}

func (l *lexer) fail(at int, format string, args ...any) error {
	return fmt.Errorf("%w at byte %d: %s", ErrSyntax, at, fmt.Sprintf(format, args...))
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
