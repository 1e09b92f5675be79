package cmd_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends a request as text over a connection of its own.
func (p *process) raw(t *testing.T, text string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// rawAnswer reads the answer to a request that raw has sent.
func rawAnswer(conn net.Conn) (status int, body string) {
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}

func head(method, path string, length int) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", method, path, length)
}

// takers lists the routes that take a body.
var takers = []struct{ method, path string }{
	{"POST", entries},
	{"POST", "/filterActivity"},
	{"POST", "/api/v1/activity-logs"},
	{"POST", "/api/v1/activity-logs/batch"},
	{"POST", "/api/v1/activity-logs/cleanup"},
	{"PUT", "/api/v1/activity-logs/retention"},
}

// askers lists routes without a body, of every dialect.
var askers = []string{
	entries, entries + "/count", "/actionlogs?Page=1&ItemsPerPage=9", "/actionlogs.json?Page=1&ItemsPerPage=9",
	"/actionlogs.csv?Page=1&ItemsPerPage=9", "/api/v1/activity-logs", "/api/v1/activity-logs/count",
	"/api/v1/activity-logs/user/u", "/api/v1/activity-logs/stats?groupBy=action", "/api/v1/activity-logs/export", "/api/v1/activity-logs/retention",
}

// A slow client is served to the end. A client that stopped sending gets 408 in the envelope of the path, in every dialect.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	p := standalone(t)
	t.Run("all", func(t *testing.T) {
		for _, d := range takers {
			t.Run("stalls "+d.path, func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				status, body := rawAnswer(p.raw(t, head(d.method, d.path, 99)+"{"))
				if status != 408 || !strings.Contains(body, envelope(d.path, 408)) || !strings.Contains(body, "body: did not arrive in time") {
					t.Errorf("got %d %s after %v, want 408", status, body, time.Since(began))
				}
			})
		}
		for path, line := range map[string]string{
			entries:                       `{"action_type":"slow","username":"a client that is far away"}`,
			"/api/v1/activity-logs/batch": `{"action":"slow","username":"a client that is far, far away"}`,
		} {
			t.Run("is slow "+path, func(t *testing.T) {
				t.Parallel()
				body := "[" + strings.Repeat(line+",", 399) + line + "]" // 25 kB, at 2 kB/s
				conn := p.raw(t, head("POST", path, len(body)))
				for len(body) > 0 {
					n := min(1<<10, len(body))
					if _, err := io.WriteString(conn, body[:n]); err != nil {
						t.Fatal(err)
					}
					body = body[n:]
					time.Sleep(500 * time.Millisecond)
				}
				if status, answer := rawAnswer(conn); status != 200 || !strings.Contains(answer, `"accepted":400`) {
					t.Errorf("got %d %.200s, want 400 accepted", status, answer)
				}
			})
		}
	})
	if _, text := p.ask("GET", "/metrics", ""); !strings.Contains(text, `activity_http_request_seconds_count{method="POST",route="/filterActivity",status="408"} 1`) ||
		!strings.Contains(text, `activity_collector_requests_total{dialect="fleet",outcome="stalled"} 1`) {
		t.Error("stalled bodies are not counted apart")
	}
}

// A client gets the same answer if it sends all of a body that is too large, closes its sending side, writes a slash at the end of a path,
// or speaks HTTP/2.
func TestOddClients(t *testing.T) {
	p := standalone(t)
	p.write(t, "/api/v1/activity-logs", `{"action":"seen","userId":"u"}`)
	for _, d := range takers {
		const size = 24 << 20
		conn := p.raw(t, head(d.method, d.path, size))
		for range size / (64 << 10) {
			if _, err := conn.Write(make([]byte, 64<<10)); err != nil {
				t.Fatalf("%s %s: while sending: %v", d.method, d.path, err)
			}
		}
		if status, body := rawAnswer(conn); status != 413 || !strings.Contains(body, envelope(d.path, 413)) {
			t.Errorf("%s %s: got %d %s, want 413", d.method, d.path, status, body)
		}
	}
	two := &http.Transport{Protocols: new(http.Protocols)}
	two.Protocols.SetUnencryptedHTTP2(true)
	defer two.CloseIdleConnections()
	for _, path := range askers {
		want, _ := p.ask("GET", path, "")
		if want != 200 {
			t.Errorf("%s: got %d", path, want)
		}
		conn := p.raw(t, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if status, body := rawAnswer(conn); status != 200 || len(body) == 0 {
			t.Errorf("%s, half closed: got %d %s", path, status, body)
		}
		bare, query, _ := strings.Cut(path, "?")
		if status, body := p.ask("GET", bare+"/?"+query, ""); status != 200 {
			t.Errorf("%s, with a slash: got %d %s", path, status, body)
		}
		res, err := (&http.Client{Transport: two}).Get("http://" + p.addr + path)
		if err != nil {
			t.Fatalf("%s, HTTP/2: %v", path, err)
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != 200 || res.ProtoMajor != 2 || err != nil || len(text) == 0 {
			t.Errorf("%s, HTTP/2: got %s %s %v", path, res.Proto, res.Status, err)
		}
		if strings.HasSuffix(path, "/export") && res.Trailer.Get("X-Export-Rows") != "1" {
			t.Errorf("%s, HTTP/2: trailers %v", path, res.Trailer)
		}
	}
	for _, path := range []string{entries, entries + "/"} {
		body := `{"action_type":"half"}`
		conn := p.raw(t, head("POST", path, len(body))+body)
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if status, answer := rawAnswer(conn); status != 200 || !strings.Contains(answer, `"id":`) {
			t.Errorf("POST %s, half closed: got %d %s", path, status, answer)
		}
	}
}

// A request that changes something is finished even if its caller has left, and does not count as a fault of the service.
func TestCallersWhoLeave(t *testing.T) {
	p := standalone(t)
	const batch = "/api/v1/activity-logs/batch"
	leave := func(method, path, body string) {
		t.Helper()
		if err := p.raw(t, head(method, path, len(body))+body).Close(); err != nil {
			t.Fatal(err)
		}
	}
	count := func(want int) {
		t.Helper()
		p.until(t, entries+"/count", 200, fmt.Sprintf(`"count":%d}`, want))
	}
	lines := strings.Repeat(`{"action":"left","userId":"u"},`, 499) + `{"action":"left","userId":"u"}`
	for range 10 {
		leave("POST", batch, "["+lines+"]")
		leave("POST", entries, `{"action_type":"left"}`)
	}
	count(5010)
	_, _, header := p.do(mustRequest(t, "POST", "http://"+p.addr+batch, `[{"action":"other"}]`))
	p.until(t, entries+"/count?position="+header.Get("X-Activity-Position"), 200, `"count":5011}`)
	leave("DELETE", "/api/v1/activity-logs?userId=u", "")
	p.until(t, entries+"/count?action_type=left", 200, `"count":10}`)
	leave("PUT", "/api/v1/activity-logs/retention", `{"days":44,"confirm":9}`)
	p.until(t, "/api/v1/activity-logs/retention", 200, `{"days":44}`)
	leave("DELETE", entries+"/all", "")
	count(0)

	_, text := p.ask("GET", "/metrics", "")
	left := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "activity_http_request_seconds_count") {
			if strings.Contains(line, `status="5`) && !strings.Contains(line, "/readyz") {
				t.Errorf("counted as a fault of the service: %s", line)
			}
			if strings.Contains(line, `status="499"`) {
				left++
			}
		}
	}
	if left == 0 {
		t.Error("no caller that left is counted")
	}
}
