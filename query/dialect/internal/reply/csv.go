package reply

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// BOM is the byte order mark from which spreadsheets recognize that a CSV file is in UTF-8.
const BOM = "\xef\xbb\xbf"

// formulas are the characters that begin a formula: those of OWASP's list, as full-width and as small characters as well, which
// spreadsheets with an East Asian language take for the same.
const formulas = "=+-@" + "＝＋－＠" + "﹦﹢﹣﹫"

// PlainCell is the text of a CSV cell that no spreadsheet takes for a formula: one that begins like a formula gets an apostrophe
// in front (https://owasp.org/www-community/attacks/CSV_Injection). Spreadsheets skip spaces, line ends and invisible characters
// before a formula, and some drop a leading tab or line end. So a cell that begins with one of those has the apostrophe, too.
func PlainCell(s string) string {
	if s == "" || s[0] >= '0' && s[0] <= '9' || s[0] >= 'A' && s[0] <= 'Z' || s[0] >= 'a' && s[0] <= 'z' {
		return s
	}
	if strings.IndexByte("\t\r\n", s[0]) >= 0 {
		return "'" + s
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(s, skipped))
	if strings.ContainsRune(formulas, first) {
		return "'" + s
	}
	return s
}

// skipped reports whether a spreadsheet may skip r at the beginning of a cell.
func skipped(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}
