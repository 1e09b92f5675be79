package engine

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/libchdb"
	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/statement"
	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/wire"
)

// maxText is the longest statement that ClickHouse accepts (max_query_size), without the data of an INSERT.
const maxText = 256 << 10

// request is a statement with everything that a client may send with it over ClickHouse's HTTP interface:
// https://clickhouse.com/docs/interfaces/http
type request struct {
	reader   *Reader // who sent it; nil for the services
	stmt     *statement.Statement
	body     io.Reader // an INSERT's data
	id       string
	comment  string // by which the engine finds the running query
	database string
	format   string
	settings string
	params   []libchdb.Param
	answer   wire.Encoding
}

// ownParams are the URL parameters of the interface itself; all others are settings or parameters of the statement.
var ownParams = []string{
	"query", "database", "default_format", "query_id", "quota_key", "user", "password", "compress", "decompress",
	"client_protocol_version", "network_compression_method", "network_zstd_compression_level", "enable_http_compression",
	"wait_end_of_query", "buffer_size", "stacktrace", "log_comment", "readonly", "http_zlib_compression_level",
	"session_id", "session_timeout", "session_check", // there are no sessions; each statement stands alone
}

// refusedParams would change the user or lift limits.
var refusedParams = []string{"role", "profile", "allow_ddl"}

var (
	settingName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	paramName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
	formatName  = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)
	counter     atomic.Uint64
)

// readRequest parses a request and refuses what the interface does not support.
func (e *Engine) readRequest(r *http.Request, user string) (*request, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault(codeBadArguments, "read the URL's parameters: %v", err)
	}
	req := &request{database: first(q.Get("database"), r.Header.Get("X-ClickHouse-Database"), "default")}
	if user == ReaderName {
		req.reader = &e.conf.Reader
	}
	req.id = first(q.Get("query_id"), uuid.NewString())
	req.comment = "http " + strconv.FormatUint(counter.Add(1), 10)
	if err := req.readText(r, q); err != nil {
		return nil, err
	}
	if err := req.readSettings(r, q); err != nil {
		return nil, err
	}
	req.format = first(req.stmt.Format, q.Get("default_format"), r.Header.Get("X-ClickHouse-Format"), "TabSeparated")
	if !formatName.MatchString(req.format) {
		return nil, fault(codeUnknownFormat, "Unknown format %.40q", req.format)
	}
	req.answer = answerEncoding(r, q)
	return req, nil
}

// readText reads the statement from the URL or from the beginning of the body.
func (req *request) readText(r *http.Request, q url.Values) error {
	body, err := wire.Decode(r.Body, r.Header.Get("Content-Encoding"))
	switch {
	case errors.Is(err, wire.ErrEncoding):
		return fault(codeNotImplemented, "%v", err)
	case err != nil:
		return readFault(err)
	}
	if q.Get("decompress") == "1" {
		body = wire.DecodeBlocks(body)
	}
	text := q.Get("query")
	if text == "" {
		buffered := bufio.NewReaderSize(body, maxText)
		begin, err := buffered.Peek(maxText)
		if err != nil && !errors.Is(err, io.EOF) {
			return readFault(err)
		}
		text, body = string(begin), buffered
		_, _ = buffered.Discard(len(begin))
	}
	return req.parse(text, body)
}

// parse reads the statement. For an INSERT, rest has the data after the text.
func (req *request) parse(text string, rest io.Reader) (err error) {
	if strings.TrimSpace(text) == "" {
		return fault(codeSyntax, "Empty query")
	}
	req.stmt, err = statement.Parse(text)
	switch {
	case errors.Is(err, statement.ErrForbidden):
		return fault(codeAccessDenied, "%v", err)
	case err != nil:
		return fault(codeSyntax, "%v", err)
	case req.stmt.Kind == statement.Insert:
		req.body = io.MultiReader(strings.NewReader(req.stmt.Data), rest)
		return nil
	}
	if n, err := io.ReadFull(rest, make([]byte, 1)); n > 0 {
		return fault(codeSyntax, "data after the statement, or a statement over %d bytes", maxText)
	} else if !errors.Is(err, io.EOF) {
		return readFault(err)
	}
	return nil
}

// readSettings turns the other URL parameters into settings and parameters of the statement.
func (req *request) readSettings(r *http.Request, q url.Values) error {
	var list []string
	asked := map[string]string{}
	for name, values := range q {
		value := values[len(values)-1]
		switch param, isParam := strings.CutPrefix(name, "param_"); {
		case slices.Contains(ownParams, name):
		case slices.Contains(refusedParams, name):
			return fault(codeNotImplemented, "parameter %s is not supported", name)
		case isParam && paramName.MatchString(param):
			req.params = append(req.params, libchdb.Param{Name: param, Value: value})
		case settingName.MatchString(name) && statement.Allowed(name):
			if name == statement.Filters {
				if err := req.checkFilters(value); err != nil {
					return err
				}
			}
			asked[name] = value
			limited := req.reader != nil && req.reader.limits()[name] > 0
			if !limited && !slices.Contains(req.stmt.Own, name) { // what the statement says counts, as in ClickHouse
				list = append(list, name+" = "+quote(value))
			}
		default:
			return fault(codeUnknownSetting, "Setting %.80q is unknown, or not allowed here", name)
		}
	}
	slices.Sort(list)
	readonly, err := req.readonly(r.Method, q.Get("readonly"))
	if err != nil {
		return err
	}
	list = append(list, readonly...)
	if req.reader != nil {
		list = append(list, req.reader.limit(asked)...)
	}
	if err := req.checkReader(); err != nil {
		return err
	}
	req.settings = strings.Join(append(list, "log_comment = "+quote(req.comment)), ", ")
	return nil
}

// readonly returns the setting that forbids a request to write. A GET never writes. A statement cannot change the setting.
func (req *request) readonly(method, value string) ([]string, error) {
	for _, name := range req.stmt.Settings {
		switch {
		case name == statement.Filters && req.reader != nil: // checkReader checks its values
		case name == "readonly" || name == "log_comment" || name == statement.Filters || slices.Contains(refusedParams, name):
			return nil, fault(codeAccessDenied, "setting %s cannot be set in a statement", name)
		case !statement.Allowed(name):
			return nil, fault(codeUnknownSetting, "Setting %.80q is unknown, or not allowed here", name)
		case req.reader != nil && req.reader.limits()[name] > 0:
			return nil, fault(codeConstraint, "setting %s is limited: it can be lowered in a parameter of the request, not in a statement", name)
		}
	}
	if value = first(value, "0"); value == "0" && (method != http.MethodPost || req.reader != nil) {
		value = "2"
	}
	switch {
	case value == "0":
		return nil, nil
	case !req.stmt.Reads():
		return nil, fault(codeReadonly, "Cannot execute query in readonly mode")
	}
	return []string{"readonly = " + quote(value)}, nil
}

// answerEncoding reads which encodings the client accepts.
func answerEncoding(r *http.Request, q url.Values) wire.Encoding {
	revision, _ := strconv.Atoi(q.Get("client_protocol_version"))
	enc := wire.Encoding{Revision: revision}
	if q.Get("compress") == "1" {
		enc.Blocks = first(strings.ToUpper(q.Get("network_compression_method")), "LZ4")
		return enc
	}
	if q.Get("enable_http_compression") != "1" {
		return enc
	}
	for _, name := range []string{"zstd", "gzip"} {
		if strings.Contains(r.Header.Get("Accept-Encoding"), name) {
			enc.Transfer = name
			return enc
		}
	}
	return enc
}

// query returns the query for the engine, for all statements but an INSERT with data.
func (req *request) query() libchdb.Query {
	return libchdb.Query{SQL: req.stmt.With(req.settings), Format: req.format, Params: req.params}
}

// quote makes a string literal.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\x00", `\0`).Replace(s) + "'"
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

func readFault(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fault(codeTooManyBytes, "body over %d bytes", tooLarge.Limit)
	}
	return fault(codeCannotRead, "read the body: %v", err)
}
