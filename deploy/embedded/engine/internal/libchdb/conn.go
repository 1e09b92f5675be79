package libchdb

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"sync"
	"unsafe"
)

// Param is a value for a {name:Type} of a statement. The engine reads Value in its escaped text form (TSV), as
// ClickHouse's HTTP interface does.
type Param struct{ Name, Value string }

// Query is one statement, the format of its answer, and the values of its parameters.
type Query struct {
	SQL    string
	Format string
	Params []Param
}

// Progress counts what a query did.
type Progress struct {
	ReadRows, ReadBytes, WrittenRows, WrittenBytes uint64
}

// Conn is a session of the engine. Callers must run one query at a time.
type Conn struct {
	lib    *library
	handle *uintptr
}

// Connect opens a session of the engine with server options such as "--path=…". The first session of the process starts the engine
// with its options; the others join it.
func Connect(args ...string) (*Conn, error) {
	loading.Lock()
	defer loading.Unlock()
	if loaded == nil {
		return nil, fmt.Errorf("connect: the engine library is not loaded")
	}
	argv, keep := cStrings(append([]string{"clickhouse"}, args...))
	handle := loaded.connect(int32(len(argv)), unsafe.Pointer(unsafe.SliceData(argv)))
	signals.restore()
	runtime.KeepAlive(keep)
	if handle == nil || *handle == 0 {
		return nil, ErrRefused
	}
	return &Conn{lib: loaded, handle: handle}, nil
}

// Close ends the session. The engine stops with the last session.
func (c *Conn) Close() {
	loading.Lock()
	defer loading.Unlock()
	c.lib.closeConn(c.handle)
	signals.restore()
}

// Exec runs a statement and returns its complete answer.
func (c *Conn) Exec(q Query) ([]byte, Progress, error) {
	r := c.start(q, c.lib.query, c.lib.queryParams)
	defer c.lib.destroy(r)
	if err := c.failure(r); err != nil {
		return nil, Progress{}, err
	}
	return bytes.Clone(c.bytes(r)), c.progress(r), nil
}

// Stream starts a statement whose answer is read in pieces, in constant memory.
func (c *Conn) Stream(q Query) (*Stream, error) {
	r := c.start(q, c.lib.stream, c.lib.streamParams)
	if err := c.failure(r); err != nil {
		c.lib.destroy(r)
		return nil, err
	}
	return &Stream{conn: c, result: r}, nil
}

// Stream is an answer that is being read. Close ends it at any point.
type Stream struct {
	conn   *Conn
	result uintptr
	done   bool
	total  Progress
	once   sync.Once
}

// Next returns the next piece of the answer, always a complete block of the format, or io.EOF.
func (s *Stream) Next() ([]byte, error) {
	if s.done {
		return nil, io.EOF
	}
	lib := s.conn.lib
	piece := lib.fetch(*s.conn.handle, s.result)
	if piece == 0 {
		s.done = true
		return nil, io.EOF
	}
	defer lib.destroy(piece)
	if err := s.conn.failure(piece); err != nil {
		s.done = true
		return nil, err
	}
	p := s.conn.progress(piece)
	s.total.ReadRows += p.ReadRows
	s.total.ReadBytes += p.ReadBytes
	b := s.conn.bytes(piece)
	if len(b) == 0 {
		s.done = true
		return nil, io.EOF
	}
	return bytes.Clone(b), nil
}

// Progress counts what the query has read so far.
func (s *Stream) Progress() Progress { return s.total }

// Close cancels the rest of the answer.
func (s *Stream) Close() {
	s.once.Do(func() {
		if !s.done {
			s.conn.lib.cancel(*s.conn.handle, s.result)
		}
		s.conn.lib.destroy(s.result)
	})
}

type (
	plainCall  func(conn uintptr, q unsafe.Pointer, qn uintptr, f unsafe.Pointer, fn uintptr) uintptr
	paramsCall func(conn uintptr, q unsafe.Pointer, qn uintptr, f unsafe.Pointer, fn uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, n uintptr) uintptr
)

func (c *Conn) start(q Query, plain plainCall, bound paramsCall) uintptr {
	sql, format := []byte(q.SQL), []byte(q.Format)
	sp, fp := unsafe.Pointer(unsafe.SliceData(sql)), unsafe.Pointer(unsafe.SliceData(format))
	if len(q.Params) == 0 {
		return plain(*c.handle, sp, uintptr(len(sql)), fp, uintptr(len(format)))
	}
	names, values := make([]string, len(q.Params)), make([]string, len(q.Params))
	nameLens, valueLens := make([]uintptr, len(q.Params)), make([]uintptr, len(q.Params))
	for i, p := range q.Params {
		names[i], values[i] = p.Name, p.Value
		nameLens[i], valueLens[i] = uintptr(len(p.Name)), uintptr(len(p.Value))
	}
	np, keepNames := cStrings(names)
	vp, keepValues := cStrings(values)
	r := bound(*c.handle, sp, uintptr(len(sql)), fp, uintptr(len(format)),
		unsafe.Pointer(unsafe.SliceData(np)), unsafe.Pointer(unsafe.SliceData(nameLens)),
		unsafe.Pointer(unsafe.SliceData(vp)), unsafe.Pointer(unsafe.SliceData(valueLens)), uintptr(len(q.Params)))
	runtime.KeepAlive(keepNames)
	runtime.KeepAlive(keepValues)
	return r
}

func (c *Conn) bytes(result uintptr) []byte {
	n := c.lib.length(result)
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(c.lib.buffer(result)), n)
}

func (c *Conn) progress(result uintptr) Progress {
	return Progress{
		ReadRows: c.lib.read(result), ReadBytes: c.lib.readB(result),
		WrittenRows: c.lib.written(result), WrittenBytes: c.lib.writtenB(result),
	}
}

func (c *Conn) failure(result uintptr) error {
	if result == 0 {
		return &Error{Code: codeUnknown, Text: "Code: 1002. DB::Exception: no answer from the engine. (UNKNOWN_EXCEPTION)"}
	}
	text := c.lib.failure(result)
	if text == nil {
		return nil
	}
	return parseError(goString(text))
}

// cStrings returns C strings and what must be kept alive while C may read them.
func cStrings(list []string) (pointers []unsafe.Pointer, keep [][]byte) {
	for _, s := range list {
		b := append([]byte(s), 0)
		keep = append(keep, b)
		pointers = append(pointers, unsafe.Pointer(unsafe.SliceData(b)))
	}
	return pointers, keep
}

func goString(p unsafe.Pointer) string {
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}
