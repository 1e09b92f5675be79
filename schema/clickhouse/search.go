package clickhouse

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/schema/words"
)

const (
	// everyWord is what the index by_words is over; the expression must be the index's own. It has the words of an entry, and
	// more where its text had to be folded.
	everyWord = "lower(concat(detail, ' ', details, ' ', folded))"
	// unfolded stands in the column folded, as words.Unfolded, where nobody has looked at the text yet.
	unfolded = `'\xEE\x80\x80'`
	asItIs   = "folded IN ('', " + unfolded + ")"
	// ownWords has the words of an entry, in their order, and no others.
	ownWords = "if(" + asItIs + ", lower(concat(detail, ' ', details)), folded)"
)

// search takes a search's conditions: its text is the request id, or the entry has its words.
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

// has is the condition that an entry's text has all sequences of a search; empty where the search has no words. Entries that
// have not been folded are also found as they were before: by the words of the search as they are written.
func (c *Clauses) has(text string) string {
	var all []string
	for i, s := range words.Parse(text).Sequences {
		all = append(all, c.sequence(s, fmt.Sprintf("word%d", i))...)
	}
	cond := strings.Join(all, " AND ")
	plain := words.Plain(text)
	if isASCII(text) || len(plain) == 0 || len(plain) > words.Max {
		return enclosed(cond)
	}
	all = []string{"folded = " + unfolded}
	for i, w := range plain {
		all = append(all, c.value("hasToken("+everyWord+", %s)", fmt.Sprintf("plain%d", i), w))
	}
	return enclosed(enclosed(cond) + " OR " + enclosed(strings.Join(all, " AND ")))
}

// sequence are the conditions that an entry's text has s. What the index can decide comes first; the rest is looked at in the
// few rows that are left.
func (c *Clauses) sequence(s words.Sequence, name string) (all []string) {
	for i, w := range s.Tokens() {
		param := name
		if i > 0 {
			param = fmt.Sprintf("%s_%d", name, i)
		}
		all = append(all, c.value("hasToken("+everyWord+", %s)", param, w))
		if s.Decided() {
			return append(all, "("+asItIs+" OR hasToken(folded, {"+param+":String}))")
		}
	}
	return append(all, c.value("match("+ownWords+", %s)", name+"_all", s.Pattern()))
}

// value names a parameter in the one %s of a condition.
func (c *Clauses) value(cond, name, value string) string {
	c.Args = append(c.Args, clickhouse.Named(name, value))
	return fmt.Sprintf(cond, "{"+name+":String}")
}

func enclosed(cond string) string {
	if cond == "" {
		return ""
	}
	return "(" + cond + ")"
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
