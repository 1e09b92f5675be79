package api

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// Every way in which a body can fail to arrive, over a real connection.
func TestBodyError(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: x\r\n"
	for name, c := range map[string]struct {
		sent   string
		then   func(*net.TCPConn) error
		want   error
		status int
	}{
		"stalled":            {head + "Content-Length: 9\r\n\r\n{", nil, schema.ErrStalled, 408},
		"stalled chunks":     {head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", nil, schema.ErrStalled, 408},
		"closed":             {head + "Content-Length: 9\r\n\r\n{", (*net.TCPConn).Close, schema.ErrLeft, 400},
		"half closed":        {head + "Content-Length: 9\r\n\r\n{", (*net.TCPConn).CloseWrite, schema.ErrLeft, 400},
		"closed chunks":      {head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", (*net.TCPConn).Close, schema.ErrLeft, 400},
		"reset":              {head + "Content-Length: 9\r\n\r\n{", reset, schema.ErrLeft, 400},
		"length of a chunk":  {head + "Transfer-Encoding: chunked\r\n\r\nx\r\nhello\r\n", nil, schema.ErrInvalid, 400},
		"end of a chunk":     {head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello!!", nil, schema.ErrInvalid, 400},
		"large beyond limit": {head + "Content-Length: 99\r\n\r\n" + strings.Repeat("x", 99), nil, schema.ErrTooLarge, 413},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := make(chan error, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
					t.Error(err)
				}
				_, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 50))
				got <- BodyError(r, err)
			}))
			defer server.Close()
			conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, c.sent); err != nil {
				t.Fatal(err)
			}
			if c.then != nil {
				if err := c.then(conn.(*net.TCPConn)); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-got; !errors.Is(err, c.want) || Status(err) != c.status || !strings.HasPrefix(err.Error(), "body: ") {
				t.Errorf("got %v with status %d, want %v with %d", err, Status(err), c.want, c.status)
			}
		})
	}
}

// reset closes a connection without the good manners of TCP.
func reset(c *net.TCPConn) error {
	if err := c.SetLinger(0); err != nil {
		return err
	}
	return c.Close()
}

// A client over HTTP/2 that cancels a request is one that left.
func TestBodyErrorOfHTTP2(t *testing.T) {
	got := make(chan error, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("the protocol is %s", r.Proto)
		}
		_, err := io.Copy(io.Discard, r.Body)
		got <- BodyError(r, err)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	body, writer := io.Pipe()
	go func() {
		_, err := fmt.Fprint(writer, "{")
		if err == nil {
			err = errors.New("the client gives up")
		}
		_ = writer.CloseWithError(err)
	}()
	if res, err := server.Client().Post(server.URL, "application/json", bufio.NewReader(body)); err == nil {
		_ = res.Body.Close()
		t.Error("the request succeeded")
	}
	if err := <-got; !errors.Is(err, schema.ErrLeft) {
		t.Errorf("got %v, want %v", err, schema.ErrLeft)
	}
}
