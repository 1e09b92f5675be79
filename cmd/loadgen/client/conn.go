// Package client speaks the fleet dialect over HTTP/1.1 the way a load generator needs it: one connection per writer, no
// allocation per request on the ordinary path, and an error that says whether a request may have been carried out.
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

// Path is where the fleet dialect lives.
const Path = "/api/v1/activity_log"

// ErrNotSent is an error of a request that no server can have seen: nobody was listening.
var ErrNotSent = errors.New("not sent")

// Conn is one connection to one server. It dials when it has to, and again after an error. Not safe for concurrent use.
type Conn struct {
	host    string
	timeout time.Duration
	conn    net.Conn
	r       *bufio.Reader
	w       *bufio.Writer
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

// Close ends the connection; the next request dials again.
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

// Reply is the answer to a request. Its Body is valid until the connection's next request.
type Reply struct {
	Status     int
	RetryAfter time.Duration
	Position   string
	NextCursor string
	Body       []byte
}

// Do sends a request and reads the answer. A request that ends in an error may have been carried out, unless the
// error is ErrNotSent.
func (c *Conn) Do(ctx context.Context, req *Request) (*Reply, error) {
	if err := c.dial(ctx); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(c.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = c.conn.SetDeadline(deadline)
	c.write(req)
	if err := c.w.Flush(); err != nil {
		c.Close()
		return nil, fmt.Errorf("send %s %s: %w", req.Method, req.Path, err)
	}
	reply, keep, err := c.read()
	if err != nil || !keep {
		c.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("answer to %s %s: %w", req.Method, req.Path, err)
	}
	return reply, nil
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
		c.r, c.w = bufio.NewReaderSize(conn, 16<<10), bufio.NewWriterSize(conn, 64<<10)
	}
	c.r.Reset(conn)
	c.w.Reset(conn)
	return nil
}

// write fills the buffer; its errors stay in the bufio.Writer until Flush.
func (c *Conn) write(req *Request) {
	header := func(name, value string) {
		if value != "" {
			c.w.WriteString(name)
			c.w.WriteString(": ")
			c.w.WriteString(value)
			c.w.WriteString("\r\n")
		}
	}
	c.w.WriteString(req.Method)
	c.w.WriteByte(' ')
	c.w.WriteString(req.Path)
	c.w.WriteString(" HTTP/1.1\r\n")
	header("Host", c.host)
	header("Content-Type", req.ContentType)
	header("Content-Encoding", req.ContentEncoding)
	header("Idempotency-Key", req.IdempotencyKey)
	header("X-Activity-Position", req.Position)
	c.w.WriteString("Content-Length: ")
	c.w.Write(strconv.AppendInt(c.w.AvailableBuffer(), int64(len(req.Body)), 10))
	c.w.WriteString("\r\n\r\n")
	c.w.Write(req.Body)
}

func (c *Conn) read() (reply *Reply, keep bool, err error) {
	line, err := c.line()
	if err != nil {
		return nil, false, err
	}
	if len(line) < 12 || !strings.HasPrefix(line, "HTTP/1.1 ") {
		return nil, false, fmt.Errorf("status line %q", line)
	}
	reply, keep = &Reply{}, true
	if reply.Status, err = strconv.Atoi(line[9:12]); err != nil {
		return nil, false, fmt.Errorf("status line %q", line)
	}
	length, chunked := -1, false
	for {
		if line, err = c.line(); err != nil {
			return nil, false, err
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "content-length":
			if length, err = strconv.Atoi(value); err != nil {
				return nil, false, fmt.Errorf("content length %q", value)
			}
		case "transfer-encoding":
			chunked = strings.EqualFold(value, "chunked")
		case "connection":
			keep = !strings.EqualFold(value, "close")
		case "retry-after":
			seconds, _ := strconv.Atoi(value)
			reply.RetryAfter = time.Duration(seconds) * time.Second
		case "x-activity-position":
			reply.Position = value
		case "x-next-cursor":
			reply.NextCursor = value
		}
	}
	c.body.Reset()
	if err := c.readBody(length, chunked); err != nil {
		return nil, false, err
	}
	reply.Body = c.body.Bytes()
	return reply, keep, nil
}

func (c *Conn) line() (string, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

func (c *Conn) readBody(length int, chunked bool) error {
	switch {
	case chunked:
		if _, err := c.body.ReadFrom(httputil.NewChunkedReader(c.r)); err != nil {
			return err
		}
		_, err := c.line() // the empty line behind the last chunk
		return err
	case length > 0:
		_, err := io.CopyN(&c.body, c.r, int64(length))
		return err
	case length < 0:
		return errors.New("answer without a length")
	}
	return nil
}
