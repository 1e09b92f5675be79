package service

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
)

// fast are limits that a test can wait for.
var fast = limits{
	arrive: 600 * time.Millisecond, whole: 4 * time.Second, send: 600 * time.Millisecond, linger: 2 * time.Second, silence: 400 * time.Millisecond,
}

// served listens with the handlers by path, and returns the address and a reader of the metrics.
func served(t *testing.T, l limits, handlers map[string]http.HandlerFunc) (addr string, metrics func() string) {
	t.Helper()
	p := newTestProcess()
	p.limits = l
	part := Part{Name: "api", Routes: func(r chi.Router) {
		for path, h := range handlers {
			r.HandleFunc(path, h)
		}
	}}
	if err := p.Start(t.Context(), part); err != nil {
		t.Fatalf("Start: %v", err)
	}
	url := listen(t, p, HTTP{})
	return strings.TrimPrefix(url, "http://"), func() string { _, text := get(t, url+"/metrics"); return text }
}

// counted waits until a request of the route has been counted with the status.
func counted(t *testing.T, metrics func() string, method, route, status string) {
	t.Helper()
	want := fmt.Sprintf("activity_http_request_seconds_count{method=%q,route=%q,status=%q} 1", method, route, status)
	var text string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if text = metrics(); strings.Contains(text, want) {
			return
		}
	}
	var found []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, "seconds_count") {
			found = append(found, line)
		}
	}
	t.Errorf("want %s, got %v", want, found)
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// answerOf reads an answer.
func answerOf(t *testing.T, from *bufio.Reader) (status int, body string, header http.Header) {
	t.Helper()
	res, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("answer: %v", err)
	}
	if res.Close { // net/http takes it out of the header
		res.Header.Set("Connection", "close")
	}
	return res.StatusCode, string(text), res.Header
}

// A client that sends no more after its request gets the answer, as with nc -N.
func TestHalfClosedClientIsAnswered(t *testing.T) {
	slowly := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(250 * time.Millisecond):
			fmt.Fprint(w, strings.Repeat("answer ", 1000))
		case <-r.Context().Done():
			http.Error(w, "left", http.StatusInternalServerError)
		}
	}
	stream := func(w http.ResponseWriter, r *http.Request) {
		for range 10 {
			if r.Context().Err() != nil {
				panic(http.ErrAbortHandler)
			}
			fmt.Fprint(w, strings.Repeat("answer ", 100))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(fast.silence / 8)
		}
	}
	addr, metrics := served(t, fast, map[string]http.HandlerFunc{"/slow": slowly, "/stream": stream})
	for _, tt := range []struct {
		name, request string
		after         time.Duration // when it closes its side
		answers       int
	}{
		{"GET", "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", 0, 1},
		{"GET, later", "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", 50 * time.Millisecond, 1},
		{"HTTP/1.0", "GET /slow HTTP/1.0\r\n\r\n", 0, 1},
		{"POST", "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", 0, 1},
		{"POST, chunked", "POST /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", 20 * time.Millisecond, 1},
		{"two at once", "GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /slow HTTP/1.1\r\nHost: x\r\n\r\n", 0, 2},
		{"stream", "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", 0, 1},
		{"in the middle of a stream", "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", 100 * time.Millisecond, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, addr)
			send(t, conn, tt.request)
			time.Sleep(tt.after)
			if err := conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			from := bufio.NewReader(conn)
			for range tt.answers {
				if status, body, _ := answerOf(t, from); status != 200 || body != strings.Repeat("answer ", 1000) {
					t.Errorf("got %d and %d bytes, want all", status, len(body))
				}
			}
			if _, err := from.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("after the answer: %v, want the end", err)
			}
		})
	}
	t.Cleanup(func() {
		if text := metrics(); strings.Contains(text, `status="499"`) || strings.Contains(text, `status="5`) {
			t.Error("a client that was answered counts as one that left")
		}
	})
}

// When a client leaves, the work for it ends at once, and is counted as left, not as a fault of the service.
func TestClientLeaves(t *testing.T) {
	reset := func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) }
	later := func(c *net.TCPConn) error {
		err := c.CloseWrite()
		time.Sleep(100 * time.Millisecond)
		return errors.Join(err, c.Close())
	}
	for name, tt := range map[string]struct {
		request string
		leave   func(*net.TCPConn) error
		status  string
		within  time.Duration
	}{
		"closes":               {"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", (*net.TCPConn).Close, "499", 200 * time.Millisecond},
		"resets":               {"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", reset, "499", 200 * time.Millisecond},
		"closes after a body":  {"GET /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", (*net.TCPConn).Close, "499", 200 * time.Millisecond},
		"closes within a body": {"GET /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbody", (*net.TCPConn).Close, "499", 200 * time.Millisecond},
		"resets within a body": {"GET /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbody", reset, "499", 200 * time.Millisecond},
		"half first":           {"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", later, "499", 400 * time.Millisecond},
		"a silent stream":      {"GET /silent HTTP/1.1\r\nHost: x\r\n\r\n", (*net.TCPConn).Close, "200", fast.silence + 200*time.Millisecond},
		"a stream":             {"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", (*net.TCPConn).Close, "200", 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entered, ended := make(chan struct{}), make(chan time.Time, 1)
			wait := func(w http.ResponseWriter, r *http.Request) {
				close(entered)
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
				ended <- time.Now()
				w.WriteHeader(http.StatusInternalServerError)
			}
			silent := func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).Flush()
				wait(w, r)
			}
			stream := func(w http.ResponseWriter, r *http.Request) {
				close(entered)
				for r.Context().Err() == nil {
					fmt.Fprint(w, "more")
					_ = http.NewResponseController(w).Flush()
					time.Sleep(10 * time.Millisecond)
				}
				ended <- time.Now()
			}
			addr, metrics := served(t, fast, map[string]http.HandlerFunc{"/wait": wait, "/silent": silent, "/stream": stream})
			conn := dial(t, addr)
			send(t, conn, tt.request)
			<-entered
			if name == "a silent stream" {
				_, _ = http.ReadResponse(bufio.NewReader(conn), nil)
			}
			began := time.Now()
			if err := tt.leave(conn); err != nil {
				t.Fatal(err)
			}
			select {
			case at := <-ended:
				if took := at.Sub(began); took > tt.within {
					t.Errorf("the handler learned of it after %v", took)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("the handler never learned of it")
			}
			counted(t, metrics, "GET", tt.request[4:strings.Index(tt.request, " HTTP")], tt.status)
		})
	}
}

// A client that ends its side in the middle of a body is told what is wrong, and counted as one that has left.
func TestBodyThatEndsEarly(t *testing.T) {
	for name, body := range map[string]string{
		"announced": "Content-Length: 9\r\n\r\nbody", "chunked": "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n", "within a chunk": "Transfer-Encoding: chunked\r\n\r\n9\r\nbody",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, metrics := served(t, fast, map[string]http.HandlerFunc{"/": upload})
			conn := dial(t, addr)
			send(t, conn, "POST / HTTP/1.1\r\nHost: x\r\n"+body)
			if err := conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if status, answer, _ := answerOf(t, bufio.NewReader(conn)); status != 400 || answer != "body: ends before its end" {
				t.Errorf("got %d %s, want 400", status, answer)
			}
			counted(t, metrics, "POST", "/", "499")
		})
	}
}
