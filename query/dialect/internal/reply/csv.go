package reply

import "strings"

// PlainCell is the text of a CSV cell that no spreadsheet takes for a formula: one that begins like a formula gets an apostrophe
// in front (https://owasp.org/www-community/attacks/CSV_Injection).
func PlainCell(s string) string {
	if s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 {
		return "'" + s
	}
	return s
}
