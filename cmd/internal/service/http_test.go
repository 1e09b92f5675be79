package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/schema"
)

func listen(t *testing.T, p *Process, h HTTP) (url string) {
	t.Helper()
	h.Addr = "127.0.0.1:0"
	if h.MaxConns == 0 {
		h.MaxConns = 100
	}
	addr, err := p.Listen(t.Context(), h, anonymous)
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Drain(); err != nil {
			t.Errorf("Drain: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return "http://" + addr
}

func anonymous(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(schema.WithPrincipal(r.Context(), schema.Anonymous())))
	})
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return res.StatusCode, string(text)
}

func TestHealth(t *testing.T) {
	p := newTestProcess()
	var away error
	part := Part{Name: "kafka", Ready: func(context.Context) error { return away }}
	if err := p.Start(t.Context(), part); err != nil {
		t.Fatalf("Start: %v", err)
	}
	url := listen(t, p, HTTP{})
	for _, tt := range []struct {
		name, path string
		away       error
		draining   bool
		status     int
		body       string
	}{
		{"live", "/livez", errors.New("gone"), true, 200, `{"status":"live"}`},
		{"ready", "/readyz", nil, false, 200, `{"status":"ready","checks":[{"name":"kafka","ready":true}]}`},
		{"away", "/readyz", errors.New("gone"), false, 503, `{"status":"waiting","checks":[{"name":"kafka","ready":false,"reason":"gone"}]}`},
		{
			"away, in words of a library", "/readyz", errors.New("kafka: kafka.(*Client).Metadata: dial tcp 127.0.0.1:9092: connect: connection refused"), false, 503,
			`"reason":"kafka: 127.0.0.1:9092: connection refused"`,
		},
		{"draining", "/readyz", nil, true, 503, `{"status":"draining","checks":[{"name":"kafka","ready":true}]}`},
		{"version", "/version", nil, false, 200, `{"version":"dev"`},
		{"metrics", "/metrics", nil, false, 200, `activity_http_request_seconds_count{method="GET",route="/livez",status="200"} 1`},
		{"a part that is ready", "/metrics", nil, false, 200, `activity_service_ready{part="kafka"} 1`},
		{"a part that is away", "/metrics", errors.New("gone"), false, 200, `activity_service_ready{part="kafka"} 0`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			away = tt.away
			p.draining.Store(tt.draining)
			status, body := get(t, url+tt.path)
			if status != tt.status || !strings.Contains(body, tt.body) {
				t.Errorf("got %d %s, want %d %s", status, body, tt.status, tt.body)
			}
		})
	}
}

func TestHandlers(t *testing.T) {
	p := newTestProcess()
	part := Part{Name: "api", Routes: func(r chi.Router) {
		r.Get("/panic", func(http.ResponseWriter, *http.Request) {
			var none *Process
			none.draining.Load() // a nil dereference
		})
		r.Get("/who", func(w http.ResponseWriter, r *http.Request) {
			who, err := schema.PrincipalOf(r.Context())
			fmt.Fprint(w, who.Tenant, err)
		})
	}}
	if err := p.Start(t.Context(), part); err != nil {
		t.Fatalf("Start: %v", err)
	}
	url := listen(t, p, HTTP{})
	for range 2 { // the process stays alive
		if status, body := get(t, url+"/panic"); status != 500 || body != "internal error\n" {
			t.Errorf("panic: got %d %s, want 500 and no more", status, body)
		}
	}
	for _, method := range []string{"POST", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"} { // chi does not know the last two
		for _, path := range []string{"/livez", "/readyz", "/version", "/openapi.json", "/metrics", "/who"} {
			req, err := http.NewRequestWithContext(t.Context(), method, url+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: got %d with %v", method, path, res.StatusCode, res.Header["Allow"])
			}
		}
	}
	if _, body := get(t, url+"/who"); body != "default<nil>" {
		t.Errorf("principal: got %s, want default", body)
	}
	req, err := http.NewRequest(http.MethodGet, url+"/livez", nil)
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	req.Header.Set("X-Long", strings.Repeat("x", 2*maxHeaderBytes))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("long header: %v", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("long header: got %d, want 431", res.StatusCode)
	}
}

// TestHead has a route that matches every method and path, as the dialects have for unknown paths.
func TestHead(t *testing.T) {
	p := newTestProcess()
	part := Part{Name: "api", Routes: func(r chi.Router) {
		r.HandleFunc("/*", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) })
		r.Get("/who", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "you") })
	}}
	if err := p.Start(t.Context(), part); err != nil {
		t.Fatalf("Start: %v", err)
	}
	res, err := http.Head(listen(t, p, HTTP{}) + "/who")
	if err != nil {
		t.Fatalf("head: %v", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ContentLength != 3 {
		t.Errorf("got %d, length %d, want 200, 3", res.StatusCode, res.ContentLength)
	}
}

func TestConnectionsAreCapped(t *testing.T) {
	p := newTestProcess()
	url := listen(t, p, HTTP{MaxConns: 2})
	var conns []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatalf("dial: %v", err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	if err := conns[2].SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatalf("deadline: %v", err)
	}
	if _, err := conns[2].Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !strings.Contains(fmt.Sprint(err), "reset") {
		t.Errorf("third connection: got %v, want it closed", err)
	}
	conns[0].Close()
	conns[1].Close()
	if status := eventually(url + "/livez"); status != 200 {
		t.Errorf("after two have closed: got %d, want 200", status)
	}
}

// eventually returns the status of url as soon as it can be reached.
func eventually(url string) int {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if res, err := http.Get(url); err == nil {
			_ = res.Body.Close()
			return res.StatusCode
		}
	}
	return 0
}

func TestRequestsInFlightAreAnswered(t *testing.T) {
	p := newTestProcess()
	entered, leave := make(chan struct{}), make(chan struct{})
	part := Part{Name: "api", Routes: func(r chi.Router) {
		r.Get("/slow", func(w http.ResponseWriter, _ *http.Request) { close(entered); <-leave; fmt.Fprint(w, "done") })
	}}
	if err := p.Start(t.Context(), part); err != nil {
		t.Fatalf("Start: %v", err)
	}
	addr, err := p.Listen(t.Context(), HTTP{Addr: "127.0.0.1:0", MaxConns: 10}, nil)
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	answer := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + addr + "/slow")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		answer <- fmt.Sprint(string(text), err)
	}()
	<-entered
	drained := make(chan error, 1)
	go func() { drained <- p.Drain() }()
	for !p.draining.Load() {
		runtime.Gosched()
	}
	close(leave)
	if got := <-answer; got != "done<nil>" {
		t.Errorf("got %s, want done", got)
	}
	if err := <-drained; err != nil {
		t.Errorf("Drain: %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "localhost:1": true, "[::1]:1": true, ":1": false, "0.0.0.0:1": false, "example.com:1": false, "127.0.0.1": false,
	} {
		if got := Loopback(addr); got != want {
			t.Errorf("%s: got %v, want %v", addr, got, want)
		}
	}
}
