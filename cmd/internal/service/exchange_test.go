package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// enveloped returns a handler of a dialect: it asks who calls, and answers errors in an envelope of its own.
func enveloped(do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("X-Dialect", "mine")
		if _, err := schema.PrincipalOf(r.Context()); err != nil {
			w.WriteHeader(api.Status(err))
			fmt.Fprintf(w, "<fault>%d</fault>", api.Status(err))
			return
		}
		do(w, r)
	}
}

// A panic is answered in the envelope of its path. One in the middle of an answer adds nothing to it: the connection is cut.
func TestPanics(t *testing.T) {
	var none *Process
	boom := func() { none.draining.Load() } // a nil dereference
	addr, metrics := served(t, defaultLimits, map[string]http.HandlerFunc{
		"/first":  enveloped(func(http.ResponseWriter, *http.Request) { boom() }),
		"/header": enveloped(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "9"); boom() }),
		"/body":   enveloped(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.CopyN(io.Discard, r.Body, 2); boom() }),
		"/bare":   func(http.ResponseWriter, *http.Request) { boom() },
		"/status": enveloped(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated); boom() }),
		"/middle": enveloped(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "[1,")
			_ = http.NewResponseController(w).Flush()
			boom()
		}),
		"/large": enveloped(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("[1,", 9999)); boom() }),
	})
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		c := client(t, proto)
		for _, path := range []string{"/first", "/header", "/body", "/bare"} {
			res, err := c.Post("http://"+addr+path, "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Fatalf("%s %s: %v", proto, path, err)
			}
			text, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			want := "<fault>500</fault>"
			if path == "/bare" {
				want = "internal error\n" // of no dialect
			}
			if err != nil || res.StatusCode != 500 || string(text) != want || len(res.Header.Values("X-Dialect")) > 1 {
				t.Errorf("%s %s: got %d %s %v %v, want 500 %s", proto, path, res.StatusCode, text, res.Header, err, want)
			}
		}
		for _, path := range []string{"/status", "/middle", "/large"} {
			var text []byte
			res, err := c.Get("http://" + addr + path)
			if err == nil {
				text, err = io.ReadAll(res.Body)
				_ = res.Body.Close()
			}
			if err == nil || strings.ContainsAny(string(text), "{<") {
				t.Errorf("%s %s: got %s, %v, want a cut connection", proto, path, text, err)
			}
		}
	}
	text := metrics()
	for _, want := range []string{`method="POST",route="/first",status="500"} 2`, `route="/status",status="500"}`, `route="/middle",status="500"}`, `route="/large",status="500"}`} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// Headers that middleware sets before the handler stay when the handler panics.
func TestPanicKeepsHeadersOfOthers(t *testing.T) {
	p := newTestProcess()
	p.CORS = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Vary", "Origin")
			w.Header().Set("Access-Control-Allow-Origin", "https://app.example.com")
			next.ServeHTTP(w, r)
		})
	}
	part := Part{Name: "api", Routes: func(r chi.Router) {
		r.Get("/", enveloped(func(http.ResponseWriter, *http.Request) { panic("oops") }))
	}}
	if err := p.Start(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(listen(t, p, HTTP{}) + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 500 || res.Header.Get("Vary") != "Origin" || res.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
}

// A slash at the end of a path changes nothing. An escaped one is a part of the last segment.
func TestTrailingSlash(t *testing.T) {
	p := newTestProcess()
	part := Part{Name: "api", Routes: func(r chi.Router) {
		r.Get("/logs", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "logs of ", r.URL.Path) })
		r.Get("/logs/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "log ", chi.URLParam(r, "id")) })
		r.HandleFunc("/*", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "nothing", http.StatusNotFound) })
	}}
	if err := p.Start(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	url := listen(t, p, HTTP{})
	for path, want := range map[string]string{
		"/logs": "logs of /logs", "/logs/": "logs of /logs", "/logs/?a=b/": "logs of /logs", "/logs/7": "log 7", "/logs/7/": "log 7",
		"/logs/a%2Fb/": "log a%2Fb", "/logs/a%2F": "log a%2F", "/logs/a%2F/": "log a%2F",
		"/logs//": "nothing\n", "/": "nothing\n", "/livez/": "{\"status\":\"live\"}\n",
	} {
		if _, got := get(t, url+path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// HTTP/2 is spoken with prior knowledge, with the same bounds of clients as HTTP/1.
func TestHTTP2(t *testing.T) {
	left := make(chan struct{}, 1)
	addr, metrics := served(t, fast, map[string]http.HandlerFunc{
		"/": upload,
		"/wait": func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			left <- struct{}{}
		},
	})
	c := client(t, "HTTP/2.0")
	res, err := c.Post("http://"+addr+"/", "text/plain", strings.NewReader(strings.Repeat("x", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.ProtoMajor != 2 || string(text) != fmt.Sprint(1<<20) {
		t.Errorf("got %s %s", res.Proto, text)
	}
	counted(t, metrics, "POST", "/", "200")

	body, writer := io.Pipe() // stalls
	defer writer.Close()
	res, err = c.Post("http://"+addr+"/", "text/plain", body)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 408 {
		t.Errorf("a body that stops: got %d, want 408", res.StatusCode)
	}
	counted(t, metrics, "POST", "/", "408")

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/wait", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	<-left
	counted(t, metrics, "GET", "/wait", "499")
}

// One connection over HTTP/2 does not get around the bound of requests at once, and is told so in the envelope of the path.
func TestHTTP2IsBounded(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	p := newTestProcess()
	part := Part{Name: "api", Routes: func(r chi.Router) {
		r.Get("/", enveloped(func(http.ResponseWriter, *http.Request) { entered <- struct{}{}; <-leave }))
	}}
	if err := p.Start(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	url, c := listen(t, p, HTTP{MaxConns: 3}), client(t, "HTTP/2.0")
	var all sync.WaitGroup
	status := func() (int, string) {
		res, err := c.Get(url + "/")
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	for range 3 {
		all.Go(func() {
			if got, _ := status(); got != 200 {
				t.Errorf("within the bound: got %d", got)
			}
		})
		<-entered
	}
	if got, text := status(); got != 503 || text != "<fault>503</fault>" {
		t.Errorf("beyond the bound: got %d %s, want 503", got, text)
	}
	close(leave)
	all.Wait()
	go func() { <-entered }()
	if got, _ := status(); got != 200 {
		t.Errorf("after they have ended: got %d, want 200", got)
	}
}
