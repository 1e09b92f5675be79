package decode

import (
	"bytes"

	"github.com/activitylog/activitylog/schema"
)

// magics are the beginnings of bodies that clients send by mistake, and what to tell them. PowerShell writes files in UTF-16.
var magics = []struct{ head, issue string }{
	{"\xff\xfe", "is UTF-16, must be UTF-8"},
	{"\xfe\xff", "is UTF-16, must be UTF-8"},
	{"\x1f\x8b", "is gzip, and must be sent with Content-Encoding: gzip"},
	{"\x28\xb5\x2f\xfd", "is zstd, and must be sent with Content-Encoding: zstd"},
}

// isForeign reports whether text certainly is not UTF-8: no JSON begins with such a byte, or has NUL in its first two.
func isForeign(text []byte) bool {
	return len(text) >= 2 && (text[0] >= 0xfe || text[0] == 0x1f || text[0] == 0x28 || text[0] == 0 || text[1] == 0)
}

// foreign says what such a text is, if it can be told.
func foreign(text []byte) error {
	issue := "must be JSON in UTF-8"
	for _, m := range magics {
		if bytes.HasPrefix(text, []byte(m.head)) {
			issue = m.issue
		}
	}
	if text[0] == 0 != (text[1] == 0) {
		issue = "is UTF-16, must be UTF-8"
	}
	return &schema.FieldError{Field: "body", Code: "SYNTAX", Issue: issue}
}
