package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/activitylog/activitylog/schema"
)

func serve(t *testing.T, h http.HandlerFunc) *Conn {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := New(s.URL, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestDoSendsAndReadsWhatHTTPDoes(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Retry-After", "3")
		w.Header().Set("X-Activity-Position", "p0:1")
		w.Header().Set("X-Next-Cursor", "abc")
		if r.URL.Query().Get("close") != "" {
			w.Header().Set("Connection", "close")
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%s %s %s %s %s|", r.Method, r.Header.Get("Content-Type"), r.Header.Get("Content-Encoding"), r.Header.Get("Idempotency-Key"), r.Header.Get("X-Activity-Position"))
		_, _ = w.Write(body)
	})
	for _, size := range []int{0, 10, 100_000} { // the last response is chunked
		for _, path := range []string{"/", "/?close=1", "/"} {
			body := bytes.Repeat([]byte("x"), size)
			got, err := c.Do(t.Context(), &Request{Method: "POST", Path: path, ContentType: "a/b", ContentEncoding: "gzip", IdempotencyKey: "k", Position: "p1:2", Body: body})
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", path, size, err)
			}
			if want := "POST a/b gzip k p1:2|" + string(body); string(got.Body) != want {
				t.Errorf("%s, %d bytes: body of %d bytes, want %d", path, size, len(got.Body), len(want))
			}
			if got.Status != 202 || got.RetryAfter != 3*time.Second || got.Position != "p0:1" || got.NextCursor != "abc" {
				t.Errorf("reply = %+v", got)
			}
		}
	}
}

func TestErrorsSayWhetherTheRequestMayHaveArrived(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, _ := New("http://"+l.Addr().String(), time.Second)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			conn.Close()
		}
		l.Close()
	}()
	if _, err := c.Do(t.Context(), &Request{Method: "GET", Path: "/"}); err == nil || errors.Is(err, ErrNotSent) {
		t.Errorf("a connection that broke: %v", err)
	}
	l.Close()
	if _, err := c.Do(t.Context(), &Request{Method: "GET", Path: "/"}); !errors.Is(err, ErrNotSent) {
		t.Errorf("nobody listens: %v", err)
	}
	if _, err := New("localhost:1", time.Second); err == nil {
		t.Error("New took an address without a scheme")
	}
}

func TestParseWritten(t *testing.T) {
	for _, c := range []struct {
		body     string
		n        int
		ids      []uint64
		accepted int
		fails    bool
	}{
		{`{"code":0,"message":"success","data":{"id":123}}`, 1, []uint64{123}, 1, false},
		{`{"code":0,"message":"success","data":{"ids":[7,null,9],"accepted":2,"rejected":1,"errors":[{"index":1}]}}`, 3, []uint64{7, 0, 9}, 2, false},
		{`{"code":0,"message":"success","data":{"ids":[7],"accepted":1,"rejected":0,"errors":[]}}`, 1, []uint64{7}, 1, false},
		{`{"code":0,"message":"success","data":{"ids":[7,8],"accepted":2}}`, 3, nil, 2, true},
		{`{"code":0,"message":"success","data":{"ids":[7,"x"],"accepted":2}}`, 2, nil, 2, true},
		{`{"code":0,"message":"success","data":{"id":123}}`, 2, nil, 0, true},
		{`{"code":0,"data":{}}`, 1, nil, 0, true},
		{`{"success":true,"data":{"id":"` + schema.UUID(123).String() + `"}}`, 1, []uint64{123}, 1, false},
		{`{"success":true,"data":{"ids":["` + schema.UUID(7).String() + `",null],"accepted":1,"rejected":1,"errors":[]}}`, 2, []uint64{7, 0}, 1, false},
		{`{"success":true,"data":{"id":"00000000-0000-4000-8000-000000000000"}}`, 1, nil, 0, true},
		{`{"code":0,"data":{"id":0}}`, 1, nil, 0, true},
	} {
		got, err := ParseWritten(&Reply{Body: []byte(c.body)}, c.n, true)
		if (err != nil) != c.fails || !slices.Equal(got.IDs, c.ids) || got.Accepted != c.accepted {
			t.Errorf("ParseWritten(%s) = %+v, %v", c.body, got, err)
		}
	}
}

func FuzzParseWritten(f *testing.F) {
	f.Add([]byte(`{"data":{"ids":[1,null],"accepted":1}}`), 2)
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		if n < 0 || n > 1000 {
			return
		}
		if w, err := ParseWritten(&Reply{Body: body}, n, true); err == nil && len(w.IDs) != n {
			t.Errorf("%d ids for %d entries from %q", len(w.IDs), n, body)
		}
	})
}

func TestListCountAndTheirErrors(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("platform") == "bad":
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"code":50301,"message":"away","data":null}`)
		case r.URL.Query().Get("platform") == "broken":
			_, _ = io.WriteString(w, `<html>`)
		case strings.HasSuffix(r.URL.Path, "/count"):
			_, _ = io.WriteString(w, `{"code":0,"message":"success","data":{"count":456}}`)
		default:
			w.Header().Set("X-Next-Cursor", "next")
			_, _ = io.WriteString(w, `{"code":0,"message":"success","data":[{"id":5,"serial":"a","timestamp":9}]}`)
		}
	})
	items, next, err := c.List(t.Context(), Query{})
	if err != nil || next != "next" || len(items) != 1 || items[0] != (Item{ID: 5, Serial: "a", Timestamp: 9}) {
		t.Errorf("List = %v, %q, %v", items, next, err)
	}
	if n, err := c.Count(t.Context(), Query{}); err != nil || n != 456 {
		t.Errorf("Count = %d, %v", n, err)
	}
	var status *StatusError
	if _, err := c.Count(t.Context(), Query{Params: url.Values{"platform": {"bad"}}}); !errors.As(err, &status) || status.Code != 50301 {
		t.Errorf("Count while away: %v", err)
	}
	if _, err := c.Count(t.Context(), Query{Params: url.Values{"platform": {"broken"}}}); !errors.Is(err, ErrReply) {
		t.Errorf("Count answered with a page: %v", err)
	}
}
