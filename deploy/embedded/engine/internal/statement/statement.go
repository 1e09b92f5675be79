package statement

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrForbidden means that the statement is understood but not allowed.
var ErrForbidden = errors.New("not allowed")

// Kind is a class of statements that are executed in the same way.
type Kind uint8

const (
	// Read statements return rows and change nothing.
	Read Kind = iota + 1
	// Light statements read no table: they do not need a connection for heavy reads.
	Light
	// Insert statements carry their rows, in a format.
	Insert
	// Write statements change data or tables: INSERT … SELECT, DELETE, ALTER and their like.
	Write
	// Session statements are SET and USE. There are no sessions: they are checked and have no effect.
	Session
)

// kinds holds the statements that clients may send, by their first word.
var kinds = map[string]Kind{
	"SELECT": Read, "WITH": Read, "EXPLAIN": Light, "SHOW": Light, "DESCRIBE": Light, "DESC": Light, "EXISTS": Light,
	"INSERT": Insert, "DELETE": Write, "UPDATE": Write, "CREATE": Write, "ALTER": Write, "DROP": Write, "TRUNCATE": Write,
	"OPTIMIZE": Write, "RENAME": Write, "EXCHANGE": Write, "KILL": Write, "CHECK": Write, "SYSTEM": Write,
	"SET": Session, "USE": Session,
}

// Statement is a statement, split where settings and data are added.
type Statement struct {
	Kind Kind
	// Settings lists the settings that the text sets.
	Settings []string
	// Own are those of them that are of the whole statement, not of a part of it.
	Own []string
	// Filters are the values of the setting additional_table_filters in the text, each as it is written; CheckFilters checks them.
	Filters []string
	// Shows are what a SHOW shows, in upper case: TABLES, CREATE, …
	Shows []string
	// System are the names of what the text means in the database system, and Functions those of the functions that it calls, in lower
	// case. A name with escapes is in both, as it is written.
	System, Functions []string
	// Identifiers says that parameters may stand for names.
	Identifiers bool
	// Format is the format of an Insert's data, or of a read's answer if the text names it.
	Format string
	// Data are the bytes of an Insert that came after its text.
	Data string

	head, settings, tail string
	plain, plainTail     string // head and tail without the FORMAT of the answer
	fixed                bool   // accepts no more settings
}

// Reads reports whether the statement changes nothing.
func (s *Statement) Reads() bool { return s.Kind == Read || s.Kind == Light || s.Kind == Session }

// With returns the text with more settings, "name = value, …". Where the text sets the same setting, the added value counts. It adds none to a SYSTEM statement, which
// accepts none, and to a CREATE … AS, which would make them part of the view.
func (s *Statement) With(settings string) string {
	all := s.join(settings)
	if s.fixed {
		all = s.settings
	}
	if all == "" {
		return s.head + s.tail
	}
	return s.head + "\nSETTINGS " + all + "\n" + s.tail
}

// Into returns a read that writes its rows to the file at path, in a format. Path holds no quotes.
func (s *Statement) Into(path, format, settings string) string {
	return s.plain + "\nSETTINGS " + s.join(settings) + "\n" + s.plainTail +
		"\nINTO OUTFILE '" + path + "' TRUNCATE COMPRESSION 'none' FORMAT " + format
}

// From returns an Insert that reads its data from the file at path, with more settings. Path holds no quotes.
func (s *Statement) From(path, settings string) string {
	return s.head + "\nFROM INFILE '" + path + "' COMPRESSION 'none' SETTINGS " + s.join(settings) + " FORMAT " + s.Format
}

func (s *Statement) join(settings string) string {
	if s.settings == "" || settings == "" {
		return s.settings + settings
	}
	return s.settings + ", " + settings
}

// Parse parses text, which is one statement, optionally followed by one ";". After the FORMAT or VALUES of an INSERT, everything is
// data.
func Parse(text string) (*Statement, error) {
	sc := &scan{lexer: lexer{text: text}}
	if err := sc.all(); err != nil {
		return nil, err
	}
	if err := sc.check(); err != nil {
		return nil, err
	}
	s := &Statement{Kind: sc.kind(), Data: trimmed(text[sc.data:])}
	s.System, s.Functions = sc.names()
	s.Identifiers, s.Shows = sc.find("IDENTIFIER") >= 0, sc.shows()
	format, from, to := sc.format()
	s.Format = format
	own, err := sc.settings(s)
	if err != nil {
		return nil, err
	}
	s.head, s.settings, s.tail = text[:own.before], text[own.start:own.end], text[own.end:sc.stop]
	s.plain, s.plainTail = cut(text, 0, own.before, from, to), cut(text, own.end, sc.stop, from, to)
	s.fixed = sc.upper(0) == "SYSTEM" || sc.upper(0) == "CREATE" && sc.find("AS") >= 0
	if s.Kind == Insert && s.Format == "" {
		return nil, fmt.Errorf("%w: INSERT without FORMAT, VALUES or SELECT", ErrSyntax)
	}
	return s, nil
}

// trimmed removes what ClickHouse removes before the data of an INSERT: blanks, and one line break.
func trimmed(data string) string {
	data = strings.TrimLeft(data, " \t\f")
	data = strings.TrimPrefix(data, "\r")
	return strings.TrimPrefix(data, "\n")
}

// kind is decided by the first word and, where that is ambiguous, by other words.
func (sc *scan) kind() Kind {
	kind := kinds[sc.upper(sc.first())]
	switch {
	case kind == Insert && sc.selects:
		return Write
	case kind == Read && sc.find("FROM") < 0 && sc.find("JOIN") < 0:
		return Light
	}
	return kind
}

// format returns the name after the FORMAT that ends a statement or begins the data of an INSERT, and the position of both words.
func (sc *scan) format() (name string, from, to int) {
	if sc.values {
		return "Values", sc.stop, sc.stop
	}
	for i := len(sc.tokens) - 1; i > 0; i-- {
		t := sc.tokens[i]
		closes := i+1 == len(sc.tokens) || sc.upper(i+1) == "SETTINGS"
		if closes && t.depth == 0 && t.kind == word && sc.upper(i-1) == "FORMAT" {
			return sc.string(i), sc.tokens[i-1].start, t.end
		}
	}
	return "", sc.stop, sc.stop
}

// cut returns text[start:end] without text[from:to], which may be outside of it.
func cut(text string, start, end, from, to int) string {
	if from < start || to > end {
		return text[start:end]
	}
	return text[start:from] + text[to:end]
}

// span is the position of a statement's own settings, and the end of the text before their SETTINGS.
type span struct{ before, start, end int }

// settings adds the names of all settings to s and returns the position of the settings of the whole statement.
func (sc *scan) settings(s *Statement) (span, error) {
	own := span{sc.stop, sc.stop, sc.stop}
	found := false
	for i := 0; i < len(sc.tokens); i++ {
		if !sc.setsAt(i) {
			continue
		}
		at, depth := sc.tokens[i].start, sc.tokens[i].depth
		names, last, err := sc.list(i+1, s)
		if err != nil {
			return own, err
		}
		s.Settings = append(s.Settings, names...)
		if sc.upper(i) == "SET" && last != len(sc.tokens)-1 {
			return own, sc.fail(sc.tokens[last].end, "SET takes name = value, …")
		}
		if sc.upper(i) != "SETTINGS" {
			i = last
			continue // SET, or MODIFY SETTING: no SETTINGS of the statement
		}
		if depth == 0 && found {
			return own, fmt.Errorf("%w: SETTINGS twice", ErrSyntax)
		}
		if depth == 0 {
			found = true
			s.Own = names
			own = span{at, sc.tokens[i+1].start, sc.tokens[last].end}
		}
		i = last
	}
	return own, nil
}

// setsAt reports whether a list of settings follows token i.
func (sc *scan) setsAt(i int) bool {
	switch sc.upper(i) {
	case "SETTINGS":
		return sc.is(i+2, "=") || sc.is(i+1, "{")
	case "SETTING":
		return sc.upper(i-1) == "MODIFY"
	case "SET":
		return i == 0
	}
	return false
}

// list reads "name = value, …" from token i on and returns the names and the last token of the list. It adds values of filters to s.
func (sc *scan) list(i int, s *Statement) (names []string, last int, err error) {
	for {
		if i+2 >= len(sc.tokens) || sc.tokens[i].kind != word || !sc.is(i+1, "=") {
			return nil, 0, sc.fail(sc.stop, "settings are name = value, …")
		}
		names = append(names, strings.ToLower(sc.string(i)))
		i += 2
		sets := names[len(names)-1] == Filters
		if end := sc.closing(i); sets && end > 0 {
			s.Filters = append(s.Filters, sc.text[sc.tokens[i].start:sc.tokens[end].end])
			if !sc.is(end+1, ",") {
				return names, end, nil
			}
			i = end + 2
			continue
		}
		if sets { // any other value, which must not pass unseen beside one in braces
			s.Filters = append(s.Filters, sc.string(i))
		}
		if sc.is(i, "-") || sc.is(i, "+") {
			i++
		}
		if i >= len(sc.tokens) || sc.tokens[i].kind != word && sc.tokens[i].kind != literal {
			return nil, 0, sc.fail(sc.stop, "a setting's value is a number, a word or a string")
		}
		for sc.is(i+1, ".") && i+2 < len(sc.tokens) { // 0.5
			i += 2
		}
		if !sc.is(i+1, ",") {
			return names, i, nil
		}
		i += 2
	}
}

// closing returns the token that closes the brace of token i; 0 if there is none.
func (sc *scan) closing(i int) int {
	if !sc.is(i, "{") {
		return 0
	}
	for i++; i < len(sc.tokens); i++ {
		if sc.is(i, "}") {
			return i
		}
	}
	return 0
}

// shows returns Statement.Shows, also of a SHOW in brackets.
func (sc *scan) shows() (all []string) {
	for i := range sc.tokens {
		what := i + 1
		if sc.upper(i) != "SHOW" || i > 0 && !sc.is(i-1, "(") || i > 0 && (what == len(sc.tokens) || sc.tokens[what].kind != word) {
			continue // a column of this name
		}
		for slices.Contains([]string{"FULL", "EXTENDED", "TEMPORARY", "CHANGED"}, sc.upper(what)) {
			what++
		}
		all = append(all, sc.upper(what))
	}
	return all
}

// names returns Statement.System and Statement.Functions.
func (sc *scan) names() (system, functions []string) {
	for i, t := range sc.tokens {
		name := strings.ToLower(sc.string(i))
		switch {
		case t.kind == quoted && strings.ContainsRune(name, '\\'):
			system, functions = append(system, name), append(functions, name)
			continue
		case t.kind == quoted:
			name = name[1 : len(name)-1]
		case t.kind != word:
			continue
		}
		if sc.is(i+1, "(") {
			functions = append(functions, name)
		}
		if name == "system" && sc.is(i+1, ".") {
			system = append(system, strings.ToLower(strings.Trim(sc.string(i+2), "`\"")))
		}
	}
	return system, functions
}
