package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/libchdb"
)

// ClickHouse's codes of the errors that the interface itself returns.
const (
	codeCannotRead     = 23
	codeBadArguments   = 36
	codeNotImplemented = 48
	codeSyntax         = 62
	codeUnknownFormat  = 73
	codeUnknownSetting = 115
	codeReadonly       = 164
	codeTooManyQueries = 202
	codePassword       = 194
	codeNotEnoughSpace = 243
	codeTooManyBytes   = 307
	codeQueryCancelled = 394
	codeConstraint     = 452
	codeAccessDenied   = 497
	codeAuthentication = 516
	codeUnknown        = 1002
)

var codeNames = map[int]string{
	codeCannotRead: "CANNOT_READ_FROM_ISTREAM", codeBadArguments: "BAD_ARGUMENTS", codeNotImplemented: "NOT_IMPLEMENTED",
	codeSyntax: "SYNTAX_ERROR", codeUnknownFormat: "UNKNOWN_FORMAT", codeUnknownSetting: "UNKNOWN_SETTING", codeReadonly: "READONLY",
	codeTooManyQueries: "TOO_MANY_SIMULTANEOUS_QUERIES", codePassword: "REQUIRED_PASSWORD", codeTooManyBytes: "TOO_MANY_BYTES", codeNotEnoughSpace: "NOT_ENOUGH_SPACE",
	codeQueryCancelled: "QUERY_WAS_CANCELLED", codeAccessDenied: "ACCESS_DENIED", codeConstraint: "SETTING_CONSTRAINT_VIOLATION", codeAuthentication: "AUTHENTICATION_FAILED",
	codeUnknown: "UNKNOWN_EXCEPTION",
}

var errBusy = fault(codeTooManyQueries, "Too many simultaneous queries")

// fault returns an error of the interface itself.
func fault(code int, format string, args ...any) *libchdb.Error {
	return &libchdb.Error{Code: code, Text: fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", code, fmt.Sprintf(format, args...), codeNames[code])}
}

// statuses are the HTTP statuses of ClickHouse's errors if they are not 500 (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp), and 503
// if a retry may help.
var statuses = func() map[int]int {
	m := map[int]int{
		codePassword: http.StatusUnauthorized, 192: http.StatusForbidden, 193: http.StatusForbidden, 291: http.StatusForbidden,
		codeReadonly: http.StatusForbidden, codeAccessDenied: http.StatusForbidden, codeAuthentication: http.StatusForbidden, codeConstraint: http.StatusForbidden,
		codeNotImplemented: http.StatusNotImplemented, codeTooManyBytes: http.StatusRequestEntityTooLarge,
		codeTooManyQueries: http.StatusServiceUnavailable, codeNotEnoughSpace: http.StatusInsufficientStorage, 159: http.StatusRequestTimeout, 209: http.StatusServiceUnavailable,
	}
	for _, code := range []int{6, 7, 25, 26, 27, 31, 32, 33, 38, 41, 43, 53, 62, 69, 70, 72, 117, 130, 131, 135, 304, 305, 377, 378, 456, 457, 462, 467, 675, 676, codeCannotRead, codeBadArguments} {
		m[code] = http.StatusBadRequest
	}
	for _, code := range []int{10, 16, 46, 47, 50, 55, 56, 60, 61, 63, 66, 70, 71, 73, 78, 81, 83, 107, 115, 181, 218} {
		m[code] = http.StatusNotFound
	}
	return m
}()

// fail answers with an error as ClickHouse does: the code in a header, the text in the body.
func fail(w http.ResponseWriter, err error) int {
	var ch *libchdb.Error
	switch {
	case errors.As(err, &ch):
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		ch = fault(codeQueryCancelled, "Query was cancelled: %v", err)
	default:
		ch = fault(codeUnknown, "%v", err)
	}
	status, ok := statuses[ch.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	h := w.Header()
	h.Del("Content-Encoding")
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("X-ClickHouse-Exception-Code", strconv.Itoa(ch.Code))
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="ClickHouse server HTTP API"`)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(ch.Text + "\n"))
	return status
}
