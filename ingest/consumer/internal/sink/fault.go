package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Fault is an error that ClickHouse answered with.
type Fault struct {
	Code    int // ClickHouse's own, src/Common/ErrorCodes.cpp; 0 if it gave none
	Status  int // HTTP
	Message string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("ClickHouse code %d (HTTP %d): %s", f.Code, f.Status, firstLine(f.Message))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line[:min(len(line), 500)]
}

// codeIn finds the code in the text of an exception, "Code: 60. DB::Exception: …"; 0 if there is none.
func codeIn(message string) int {
	_, rest, ok := strings.Cut(message, "Code: ")
	if !ok {
		return 0
	}
	digits, _, _ := strings.Cut(rest, ".")
	code, _ := strconv.Atoi(digits)
	return code
}

// Kind is what to do about an error.
type Kind int

// The kinds.
const (
	KindNone   Kind = iota // no error
	KindAway               // the server is away or overloaded: repeat
	KindConfig             // somebody has to mend something, such as missing tables: say so, and repeat
	KindData               // these rows will never be taken
)

// Codes of ClickHouse, src/Common/ErrorCodes.cpp.
var (
	dataCodes = []int{
		6,   // CANNOT_PARSE_TEXT
		27,  // CANNOT_PARSE_INPUT_ASSERTION_FAILED
		38,  // CANNOT_PARSE_DATE
		41,  // CANNOT_PARSE_DATETIME
		69,  // ARGUMENT_OUT_OF_BOUND
		70,  // CANNOT_CONVERT_TYPE
		72,  // CANNOT_PARSE_NUMBER
		117, // INCORRECT_DATA
		128, // TOO_LARGE_ARRAY_SIZE
		131, // TOO_LARGE_STRING_SIZE
		321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
		349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
		407, // DECIMAL_OVERFLOW
		469, // VIOLATED_CONSTRAINT
	}
	configCodes = []int{
		10,  // NOT_FOUND_COLUMN_IN_BLOCK
		16,  // NO_SUCH_COLUMN_IN_TABLE
		20,  // NUMBER_OF_COLUMNS_DOESNT_MATCH
		36,  // BAD_ARGUMENTS
		46,  // UNKNOWN_FUNCTION
		47,  // UNKNOWN_IDENTIFIER
		48,  // NOT_IMPLEMENTED
		53,  // TYPE_MISMATCH
		60,  // UNKNOWN_TABLE
		62,  // SYNTAX_ERROR
		81,  // UNKNOWN_DATABASE
		115, // UNKNOWN_SETTING
		164, // READONLY
		192, // UNKNOWN_USER
		193, // WRONG_PASSWORD
		194, // REQUIRED_PASSWORD
		344, // SUPPORT_IS_DISABLED
		497, // ACCESS_DENIED
		516, // AUTHENTICATION_FAILED
	}
)

// Missing says whether err is that of tables which have not been made yet.
func Missing(err error) bool {
	code := codeOf(err)
	return code == 60 || code == 81
}

// KindOf says what to do about err. What is not known is worth repeating: to give up would lose entries.
func KindOf(err error) Kind {
	switch code := codeOf(err); {
	case err == nil:
		return KindNone
	case errors.Is(err, context.Canceled):
		return KindAway
	case slices.Contains(dataCodes, code):
		return KindData
	case slices.Contains(configCodes, code):
		return KindConfig
	}
	return KindAway
}

func codeOf(err error) int {
	var f *Fault
	if errors.As(err, &f) {
		return f.Code
	}
	var e *clickhouse.Exception
	if errors.As(err, &e) {
		return int(e.Code)
	}
	if err == nil {
		return 0
	}
	return codeIn(err.Error()) // clickhouse-go gives an HTTP answer's text as it is
}
