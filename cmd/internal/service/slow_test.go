package service

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/activitylog/activitylog/schema/api"
)

// upload reads a body, and answers with its length or with what was wrong with it.
func upload(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		err = api.BodyError(r, err)
		w.WriteHeader(api.Status(err))
		fmt.Fprint(w, err)
		return
	}
	fmt.Fprint(w, n)
}

// A body that arrives slowly is taken, although all of it takes far longer than its deadline at any moment.
func TestSlowBodyIsTaken(t *testing.T) {
	addr, _ := served(t, fast, map[string]http.HandlerFunc{"/": upload})
	const pieces, size = 12, 20 << 10
	for name, head := range map[string]string{
		"announced":    fmt.Sprintf("Content-Length: %d\r\n\r\n", pieces*size),
		"chunked":      "Transfer-Encoding: chunked\r\n\r\n",
		"100-continue": fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", pieces*size),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, addr)
			from := bufio.NewReader(conn)
			send(t, conn, "POST / HTTP/1.1\r\nHost: x\r\n"+head)
			if name == "100-continue" {
				if status, _, _ := answerOf(t, from); status != 100 {
					t.Fatalf("got %d, want 100", status)
				}
			}
			for range pieces {
				piece := strings.Repeat("x", size)
				if name == "chunked" {
					piece = fmt.Sprintf("%x\r\n%s\r\n", size, piece)
				}
				send(t, conn, piece)
				time.Sleep(fast.arrive / 6)
			}
			if name == "chunked" {
				send(t, conn, "0\r\n\r\n")
			}
			if status, body, _ := answerOf(t, from); status != 200 || body != fmt.Sprint(pieces*size) {
				t.Errorf("got %d %s, want 200 %d", status, body, pieces*size)
			}
		})
	}
}

// A body that stops, or trickles, or takes for ever, is answered 408, and counted so.
func TestStalledBody(t *testing.T) {
	for name, tt := range map[string]struct {
		head, first string
		more        string // sent every 20 ms
	}{
		"stops":          {"Content-Length: 99\r\n\r\n", "{", ""},
		"never begins":   {"Content-Length: 99\r\n\r\n", "", ""},
		"stops in chunk": {"Transfer-Encoding: chunked\r\n\r\n", "5\r\nhel", ""},
		"stops later":    {"Content-Length: 9999999\r\n\r\n", strings.Repeat("x", 300_000), ""},
		"trickles":       {"Content-Length: 9999999\r\n\r\n", "", "xxxx"},
		"for ever":       {"Transfer-Encoding: chunked\r\n\r\n", "", fmt.Sprintf("%x\r\n%s\r\n", 8<<10, strings.Repeat("x", 8<<10))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, metrics := served(t, fast, map[string]http.HandlerFunc{"/": upload})
			conn := dial(t, addr)
			began := time.Now()
			send(t, conn, "POST / HTTP/1.1\r\nHost: x\r\n"+tt.head+tt.first)
			if tt.more != "" {
				go func() {
					for {
						if _, err := io.WriteString(conn, tt.more); err != nil {
							return
						}
						time.Sleep(20 * time.Millisecond)
					}
				}()
			}
			status, body, header := answerOf(t, bufio.NewReader(conn))
			if status != 408 || body != "body: did not arrive in time" || header.Get("Connection") != "close" {
				t.Errorf("got %d %s %v, want 408", status, body, header)
			}
			if took := time.Since(began); took < fast.arrive || took > fast.whole+2*time.Second {
				t.Errorf("it took %v", took)
			}
			counted(t, metrics, "POST", "/", "408")
		})
	}
}

// A body that is cut off for others is answered 408, with its reason, at once.
func TestBodiesAreCut(t *testing.T) {
	bodies := make(chan api.Cuttable, 1)
	addr, metrics := served(t, defaultLimits, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
		bodies <- r.Body.(api.Cuttable)
		upload(w, r)
	}})
	for i, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, first := range []string{"", "x", strings.Repeat("x", 100_000)} {
			reader, writer := io.Pipe()
			go func() {
				_, _ = io.WriteString(writer, first)
				(<-bodies).Cut()
			}()
			began := time.Now()
			res, err := client(t, proto).Post("http://"+addr, "text/plain", reader)
			if err != nil {
				t.Fatalf("%s: %v", proto, err)
			}
			text, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			_ = writer.Close()
			if res.StatusCode != 408 || !strings.HasPrefix(string(text), "body: arrived too slowly while memory was short") || time.Since(began) > 5*time.Second {
				t.Errorf("%s after %d bytes: got %d %s after %v", proto, len(first), res.StatusCode, text, time.Since(began))
			}
		}
		if text := metrics(); !strings.Contains(text, fmt.Sprintf(`method="POST",route="/",status="408"} %d`, 3*(i+1))) {
			t.Errorf("%s: not counted as 408", proto)
		}
	}
}

// What net/http watches for after the end of a body is a client that has left: a deadline that is set then must not look like one.
func TestBodiesThatHaveArrivedAreNotCut(t *testing.T) {
	addr, _ := served(t, defaultLimits, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		r.Body.(api.Cuttable).Cut()
		select {
		case <-r.Context().Done():
		case <-time.After(100 * time.Millisecond):
		}
		fmt.Fprint(w, n, err, r.Context().Err())
	}})
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		res, err := client(t, proto).Post("http://"+addr, "text/plain", strings.NewReader("whole"))
		if err != nil {
			t.Fatalf("%s: %v", proto, err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(text) != "5 <nil> <nil>" {
			t.Errorf("%s: got %s, want all of it and a caller who is there", proto, text)
		}
	}
}

// A client that is still sending gets its answer: it sends all of a body that is refused before it reads.
func TestRefusalReachesASendingClient(t *testing.T) {
	const all = 24 << 20
	refuse := func(read int64) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, read)
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			fmt.Fprint(w, "too large")
		}
	}
	addr, _ := served(t, defaultLimits, map[string]http.HandlerFunc{"/unread": refuse(0), "/begun": refuse(1 << 20), "/other": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, "who?")
	}})
	length := fmt.Sprintf("Content-Length: %d\r\n", all)
	for _, tt := range []struct {
		name, path, head string
		status           int
	}{
		{"announced", "/unread", length, 413},
		{"announced, partly read", "/begun", length, 413},
		{"announced, closing", "/unread", length + "Connection: close\r\n", 413},
		{"HTTP/1.0", "/begun", length, 413},
		{"chunked", "/begun", "Transfer-Encoding: chunked\r\n", 413},
		{"chunked, closing", "/begun", "Transfer-Encoding: chunked\r\nConnection: close\r\n", 413},
		{"continued", "/begun", length + "Expect: 100-continue\r\n", 413},
		{"refused for another reason", "/other", length, 401},
		{"refused for another reason, closing", "/other", length + "Connection: close\r\n", 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, version := dial(t, addr), "HTTP/1.1"
			if tt.name == "HTTP/1.0" {
				version = tt.name
			}
			from := bufio.NewReader(conn)
			send(t, conn, fmt.Sprintf("POST %s %s\r\nHost: x\r\n%s\r\n", tt.path, version, tt.head))
			if strings.Contains(tt.head, "Expect") {
				_, _, _ = answerOf(t, from)
			}
			piece := strings.Repeat("x", 64<<10)
			if strings.Contains(tt.head, "chunked") {
				piece = fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
			}
			for range all / (64 << 10) {
				if _, err := io.WriteString(conn, piece); err != nil {
					t.Fatalf("while sending: %v", err)
				}
			}
			if status, _, header := answerOf(t, from); status != tt.status || header.Get("Connection") != "close" && version != "HTTP/1.0" {
				t.Errorf("got %d %v, want %d", status, header, tt.status)
			}
		})
	}
}

// A small body that nobody reads does not cost the connection.
func TestRefusalKeepsTheConnection(t *testing.T) {
	addr, _ := served(t, defaultLimits, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }})
	conn := dial(t, addr)
	from := bufio.NewReader(conn)
	for _, body := range []string{"Content-Length: 9\r\n\r\nsomething", "Transfer-Encoding: chunked\r\n\r\n9\r\nsomething\r\n0\r\n\r\n", "Content-Length: 0\r\n\r\n"} {
		send(t, conn, "POST / HTTP/1.1\r\nHost: x\r\n"+body)
		if status, _, header := answerOf(t, from); status != 503 || header.Get("Connection") != "" {
			t.Errorf("got %d %v, want 503 on a connection that stays", status, header)
		}
	}
}

// A reader that stops is cut off; one that reads slowly is not.
func TestSlowReaders(t *testing.T) {
	const size = 48 << 20 // more than the buffers of two sockets
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			ended := make(chan error, 1)
			addr, _ := served(t, fast, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
				if r.Proto != proto {
					t.Errorf("got %s, want %s", r.Proto, proto)
				}
				_, err := w.Write(make([]byte, size))
				ended <- err
			}})
			get := func() io.ReadCloser {
				res, err := client(t, proto).Get("http://" + addr + "/")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = res.Body.Close() })
				return res.Body
			}
			get()
			select {
			case err := <-ended:
				if err == nil {
					t.Error("everything was sent to a client that reads nothing")
				}
			case <-time.After(5 * time.Second):
				t.Error("the handler waits for a client that reads nothing")
			}
			slow, got := get(), int64(0)
			for {
				n, err := io.CopyN(io.Discard, slow, 4<<20)
				if got += n; err != nil {
					break
				}
				time.Sleep(fast.send / 6)
			}
			if err := <-ended; got != size || err != nil {
				t.Errorf("a slow client got %d of %d bytes, %v", got, size, err)
			}
		})
	}
}

// client speaks one version of HTTP.
func client(t *testing.T, proto string) *http.Client {
	t.Helper()
	tr := &http.Transport{Protocols: new(http.Protocols), HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}}
	tr.Protocols.SetHTTP1(proto == "HTTP/1.1")
	tr.Protocols.SetUnencryptedHTTP2(proto != "HTTP/1.1")
	if proto == "HTTP/1.1" {
		tr.ReadBufferSize = 4 << 10
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error { // else the buffers take all of it
				return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 64<<10) })
			}}
			return d.DialContext(ctx, network, addr)
		}
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}
