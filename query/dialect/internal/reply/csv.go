package reply

import "strings"

// BOM is the byte order mark from which spreadsheets recognize that a CSV file is in UTF-8.
const BOM = "\xef\xbb\xbf"

// PlainCell returns a text for a CSV cell that no spreadsheet takes for a formula: a text that begins like a formula gets an apostrophe in
// front (https://owasp.org/www-community/attacks/CSV_Injection).
func PlainCell(s string) string {
	if s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 {
		return "'" + s
	}
	return s
}
