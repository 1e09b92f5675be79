package clickhouse

import "strconv"

// Code is an error code of ClickHouse (src/Common/ErrorCodes.cpp).
type Code int32

// CodeKind classifies an error code by its cause. Each service decides by it what to do.
type CodeKind uint8

// The kinds of codes.
const (
	CodeUnknown     CodeKind = iota // not in the table codes
	CodeData                        // the server will never accept these rows
	CodeMissing                     // the tables or their database do not exist: they have not been created yet
	CodeCredentials                 // the server refuses our user or password
	CodeMisuse                      // the statement, the settings or the user's rights do not fit the server: an operator must correct it
	CodeTimeout                     // the query took too long, or was cancelled
	CodeOverload                    // the server is overloaded, out of memory or disk, or cannot be reached; later it may answer
)

var codes = map[Code]struct {
	name string
	kind CodeKind
}{
	6:   {"CANNOT_PARSE_TEXT", CodeData},
	10:  {"NOT_FOUND_COLUMN_IN_BLOCK", CodeMisuse},
	16:  {"NO_SUCH_COLUMN_IN_TABLE", CodeMisuse},
	20:  {"NUMBER_OF_COLUMNS_DOESNT_MATCH", CodeMisuse},
	27:  {"CANNOT_PARSE_INPUT_ASSERTION_FAILED", CodeData},
	36:  {"BAD_ARGUMENTS", CodeMisuse},
	38:  {"CANNOT_PARSE_DATE", CodeData},
	41:  {"CANNOT_PARSE_DATETIME", CodeData},
	46:  {"UNKNOWN_FUNCTION", CodeMisuse},
	47:  {"UNKNOWN_IDENTIFIER", CodeMisuse},
	48:  {"NOT_IMPLEMENTED", CodeMisuse},
	53:  {"TYPE_MISMATCH", CodeMisuse},
	60:  {"UNKNOWN_TABLE", CodeMissing},
	62:  {"SYNTAX_ERROR", CodeMisuse},
	69:  {"ARGUMENT_OUT_OF_BOUND", CodeData},
	70:  {"CANNOT_CONVERT_TYPE", CodeData},
	72:  {"CANNOT_PARSE_NUMBER", CodeData},
	81:  {"UNKNOWN_DATABASE", CodeMissing},
	115: {"UNKNOWN_SETTING", CodeMisuse},
	117: {"INCORRECT_DATA", CodeData},
	128: {"TOO_LARGE_ARRAY_SIZE", CodeData},
	131: {"TOO_LARGE_STRING_SIZE", CodeData},
	159: {"TIMEOUT_EXCEEDED", CodeTimeout},
	160: {"TOO_SLOW", CodeTimeout},
	164: {"READONLY", CodeMisuse},
	192: {"UNKNOWN_USER", CodeMisuse},
	193: {"WRONG_PASSWORD", CodeMisuse},
	194: {"REQUIRED_PASSWORD", CodeMisuse},
	202: {"TOO_MANY_SIMULTANEOUS_QUERIES", CodeOverload}, // also the embedded engine's own limit of queries at once
	203: {"NO_FREE_CONNECTION", CodeOverload},
	209: {"SOCKET_TIMEOUT", CodeOverload},
	210: {"NETWORK_ERROR", CodeOverload},
	241: {"MEMORY_LIMIT_EXCEEDED", CodeOverload},
	242: {"TABLE_IS_READ_ONLY", CodeOverload},
	243: {"NOT_ENOUGH_SPACE", CodeOverload},
	279: {"ALL_CONNECTION_TRIES_FAILED", CodeOverload},
	321: {"VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", CodeData},
	344: {"SUPPORT_IS_DISABLED", CodeMisuse},
	349: {"CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN", CodeData},
	394: {"QUERY_WAS_CANCELLED", CodeTimeout},
	407: {"DECIMAL_OVERFLOW", CodeData},
	469: {"VIOLATED_CONSTRAINT", CodeData},
	497: {"ACCESS_DENIED", CodeMisuse},
	516: {"AUTHENTICATION_FAILED", CodeCredentials}, // whatever is wrong with the credentials
}

// Kind is CodeUnknown for a code that is not in the table, and for 0.
func (c Code) Kind() CodeKind { return codes[c].kind }

// String returns the number with ClickHouse's name of the code, if it is in the table.
func (c Code) String() string {
	number := strconv.Itoa(int(c))
	if known, ok := codes[c]; ok {
		return number + " " + known.name
	}
	return number
}
