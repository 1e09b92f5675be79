package clickhouse

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/schema/words"
)

const (
	// searchText is the expression that a search reads and that the index by_words is built on: both must be the same. It has exactly an
	// entry's words, in their order, between ASCII separators.
	searchText = "if(length(folded) > 3, folded, lower(concat(detail, ' ', details, ' ', folded)))"
	// unfolded is words.Unfolded in SQL.
	unfolded = `'\xEE\x80\x80'`
)

// search adds the conditions of a search: its text is the entry's request id, or the entry has all its words.
func (c *Clauses) search(text string) {
	if text == "" {
		return
	}
	cond := "request_id = {search:String}"
	if has := c.has(text); has != "" {
		cond = "(" + cond + " OR " + has + ")"
	}
	c.Add(cond, "search", text)
}

// has returns the condition that an entry's text has all sequences of a search; empty if the search has no words. Entries that are not
// folded yet are also found by the older rule: by the words as they are written.
func (c *Clauses) has(text string) string {
	var all []string
	for i, s := range words.Parse(text).Sequences {
		all = append(all, c.sequence(s, fmt.Sprintf("word%d", i))...)
	}
	cond := strings.Join(all, " AND ")
	plain := words.Plain(text)
	switch {
	case cond == "":
		return ""
	case isASCII(text) || len(plain) > words.Max: // ASCII words are the same by both rules
		return "(" + cond + ")"
	}
	all = []string{"folded = " + unfolded}
	for i, w := range plain {
		all = append(all, c.value("hasToken("+searchText+", %s)", fmt.Sprintf("plain%d", i), w))
	}
	return "((" + cond + ") OR (" + strings.Join(all, " AND ") + "))"
}

// sequence returns the conditions that an entry's text has s: first those that the index can answer, then the pattern, which is
// matched only against the rows that are left.
func (c *Clauses) sequence(s words.Sequence, name string) (all []string) {
	for i, w := range s.Tokens() {
		all = append(all, c.value("hasToken("+searchText+", %s)", fmt.Sprintf("%s_%d", name, i), w))
	}
	if !s.Decided() {
		all = append(all, c.value("match("+searchText+", %s)", name, s.Pattern()))
	}
	return all
}

// value adds a parameter, and returns the condition with its name in place of %s.
func (c *Clauses) value(cond, name, value string) string {
	c.Args = append(c.Args, clickhouse.Named(name, value))
	return fmt.Sprintf(cond, "{"+name+":String}")
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
