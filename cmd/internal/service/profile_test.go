package service

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestProfilesAreServedApart(t *testing.T) {
	p := newTestProcess()
	url := listen(t, p, HTTP{PprofAddr: freeAddr(t)})
	if status, _ := get(t, url+"/debug/pprof/"); status != http.StatusNotFound {
		t.Errorf("the public port answers /debug/pprof/ with %d, want 404", status)
	}
}

func TestProfileOfTheHeap(t *testing.T) {
	addr := freeAddr(t)
	listen(t, newTestProcess(), HTTP{PprofAddr: addr})
	if status, body := get(t, "http://"+addr+"/debug/pprof/allocs?debug=1"); status != http.StatusOK || !strings.Contains(body, "heap profile") {
		t.Errorf("got %d %.60q, want a heap profile", status, body)
	}
	if status, _ := get(t, "http://"+addr+"/metrics"); status != http.StatusNotFound {
		t.Errorf("the profiles' port answers /metrics with %d, want 404", status)
	}
}

func TestProfilesStayOnLoopback(t *testing.T) {
	for addr, ok := range map[string]bool{"": true, "127.0.0.1:0": true, "localhost:6060": true, ":6060": false, "0.0.0.0:6060": false, "nonsense": false} {
		err := HTTP{Addr: "127.0.0.1:0", MaxConns: 1, PprofAddr: addr}.Validate()
		if (err == nil) != ok {
			t.Errorf("PPROF_ADDR=%q: got %v, want ok %t", addr, err, ok)
		}
	}
}

// freeAddr returns a loopback address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}
