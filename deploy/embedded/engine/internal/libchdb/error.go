package libchdb

import (
	"regexp"
	"strconv"
	"strings"
)

// codeUnknown is ClickHouse's UNKNOWN_EXCEPTION, for errors without a code.
const codeUnknown = 1002

// Error is a ClickHouse exception: "Code: 60. DB::Exception: … (UNKNOWN_TABLE)".
type Error struct {
	Code int
	Text string
}

func (e *Error) Error() string { return e.Text }

var codePrefix = regexp.MustCompile(`Code: (\d+)\.`)

func parseError(text string) *Error {
	text = strings.TrimSpace(text)
	if m := codePrefix.FindStringSubmatch(text); m != nil {
		if code, err := strconv.Atoi(m[1]); err == nil {
			return &Error{Code: code, Text: text}
		}
	}
	return &Error{Code: codeUnknown, Text: text}
}
