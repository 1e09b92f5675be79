package sink

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// Fault is an error in an answer of ClickHouse.
type Fault struct {
	Code    tables.Code // 0 if the server gave none
	Status  int         // HTTP
	Message string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("ClickHouse code %v, HTTP %d: %s", f.Code, f.Status, firstLine(f.Message))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line[:min(len(line), 500)]
}

// codeIn returns the code in the text of an exception, "Code: 60. DB::Exception: …"; 0 if there is none.
func codeIn(message string) tables.Code {
	_, rest, ok := strings.Cut(message, "Code: ")
	if !ok {
		return 0
	}
	digits, _, _ := strings.Cut(rest, ".")
	code, _ := strconv.ParseInt(digits, 10, 32)
	return tables.Code(code)
}

// Kind classifies an error by what to do about it.
type Kind int

// The kinds.
const (
	KindNone        Kind = iota // no error
	KindUnavailable             // the server is unavailable or overloaded: repeat
	KindConfig                  // somebody has to change something, such as create missing tables: log it, and repeat
	KindData                    // the server will never accept these rows
)

// Missing reports whether err means that the tables have not been created yet.
func Missing(err error) bool { return codeOf(err).Kind() == tables.CodeMissing }

// KindOf classifies err. Unknown errors count as temporary, because giving up would lose entries.
func KindOf(err error) Kind {
	switch {
	case err == nil:
		return KindNone
	case errors.Is(err, context.Canceled):
		return KindUnavailable
	}
	switch codeOf(err).Kind() {
	case tables.CodeData:
		return KindData
	case tables.CodeMissing, tables.CodeCredentials, tables.CodeMisuse:
		return KindConfig
	}
	return KindUnavailable
}

func codeOf(err error) tables.Code {
	var f *Fault
	if errors.As(err, &f) {
		return f.Code
	}
	var e *clickhouse.Exception
	if errors.As(err, &e) {
		return tables.Code(e.Code)
	}
	if err == nil {
		return 0
	}
	return codeIn(err.Error()) // clickhouse-go gives an HTTP answer's text as it is
}
