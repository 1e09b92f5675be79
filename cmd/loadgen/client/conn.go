// Package client is a client of the fleet dialect over HTTP/1.1 for a load generator: one connection per writer, no allocation per
// successful request, and an error that tells whether the server may have executed a request.
package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Path is the path of the fleet dialect.
const Path = "/api/v1/activity_log"

// ErrNotSent means that no server can have seen the request: nobody was listening.
var ErrNotSent = errors.New("not sent")

// Conn is one connection to one server. It dials when needed, and again after an error. It is not safe for concurrent use.
type Conn struct {
	host    string
	timeout time.Duration
	conn    net.Conn
	r       *bufio.Reader
	head    []byte
	body    bytes.Buffer
}

// New makes a connection to the server at base, such as http://127.0.0.1:50809; each request may take timeout.
func New(base string, timeout time.Duration) (*Conn, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("server %q: want http://host:port", base)
	}
	return &Conn{host: u.Host, timeout: timeout}, nil
}

// Close closes the connection; the next request dials again.
func (c *Conn) Close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// Request is one HTTP request. Zero fields send no header.
type Request struct {
	Method, Path    string
	ContentType     string
	ContentEncoding string
	IdempotencyKey  string
	Position        string
	Body            []byte
}

// Reply is a response. Its Body is valid until the next request of the connection.
type Reply struct {
	Status     int
	RetryAfter time.Duration
	Position   string
	NextCursor string
	Body       []byte
}

// Do sends a request and reads the response. After an error the server may have executed the request, unless the error is ErrNotSent.
func (c *Conn) Do(ctx context.Context, req *Request) (*Reply, error) {
	if err := c.dial(ctx); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(c.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = c.conn.SetDeadline(deadline)
	if err := c.write(req); err != nil {
		c.Close()
		return nil, fmt.Errorf("send %s %s: %w", req.Method, req.Path, err)
	}
	a, err := c.read()
	if err != nil || a.closes {
		c.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("response to %s %s: %w", req.Method, req.Path, err)
	}
	return &a.Reply, nil
}

func (c *Conn) dial(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	d := net.Dialer{Timeout: c.timeout}
	conn, err := d.DialContext(ctx, "tcp", c.host)
	if err != nil {
		return fmt.Errorf("%w: dial %s: %w", ErrNotSent, c.host, err)
	}
	c.conn = conn
	if c.r == nil {
		c.r = bufio.NewReaderSize(conn, 16<<10)
	}
	c.r.Reset(conn)
	return nil
}

// write sends head and body with one system call.
func (c *Conn) write(req *Request) error {
	h := append(c.head[:0], req.Method...)
	h = append(append(append(h, ' '), req.Path...), " HTTP/1.1\r\nHost: "...)
	h = append(append(h, c.host...), "\r\n"...)
	for _, f := range [...]struct{ name, value string }{
		{"Content-Type: ", req.ContentType},
		{"Content-Encoding: ", req.ContentEncoding},
		{"Idempotency-Key: ", req.IdempotencyKey},
		{"X-Activity-Position: ", req.Position},
	} {
		if f.value != "" {
			h = append(append(append(h, f.name...), f.value...), "\r\n"...)
		}
	}
	h = strconv.AppendInt(append(h, "Content-Length: "...), int64(len(req.Body)), 10)
	c.head = append(h, "\r\n\r\n"...)
	both := net.Buffers{c.head, req.Body}
	_, err := both.WriteTo(c.conn)
	return err
}

// answer is a reply and the headers that say how to read it.
type answer struct {
	Reply
	length  int // -1: unknown
	chunked bool
	closes  bool
}

func (c *Conn) read() (*answer, error) {
	line, err := c.line()
	if err != nil {
		return nil, err
	}
	if len(line) < 12 || !strings.HasPrefix(line, "HTTP/1.1 ") {
		return nil, fmt.Errorf("status line %q", line)
	}
	a := &answer{length: -1}
	if a.Status, err = strconv.Atoi(line[9:12]); err != nil {
		return nil, fmt.Errorf("status line %q", line)
	}
	for {
		if line, err = c.line(); err != nil {
			return nil, err
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		if err := a.header(name, strings.TrimSpace(value)); err != nil {
			return nil, err
		}
	}
	if err := c.readBody(a.length, a.chunked); err != nil {
		return nil, err
	}
	a.Body = c.body.Bytes()
	return a, nil
}

func (a *answer) header(name, value string) (err error) {
	switch strings.ToLower(name) {
	case "content-length":
		if a.length, err = strconv.Atoi(value); err != nil {
			return fmt.Errorf("content length %q", value)
		}
	case "transfer-encoding":
		a.chunked = strings.EqualFold(value, "chunked")
	case "connection":
		a.closes = strings.EqualFold(value, "close")
	case "retry-after":
		seconds, _ := strconv.Atoi(value)
		a.RetryAfter = time.Duration(seconds) * time.Second
	case "x-activity-position":
		a.Position = value
	case "x-next-cursor":
		a.NextCursor = value
	}
	return nil
}

func (c *Conn) line() (string, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

func (c *Conn) readBody(length int, chunked bool) error {
	c.body.Reset()
	switch {
	case chunked:
		if _, err := c.body.ReadFrom(httputil.NewChunkedReader(c.r)); err != nil {
			return err
		}
		_, err := c.line() // the empty line after the last chunk
		return err
	case length > 0:
		_, err := io.CopyN(&c.body, c.r, int64(length))
		return err
	case length < 0:
		return errors.New("response without a length")
	}
	return nil
}
