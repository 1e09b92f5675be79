package collector_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// raw sends a request byte for byte and returns the answer.
func (r *rig) raw(request []byte) (status int, body string) {
	r.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.server.URL, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write(request); err != nil {
		r.t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	for {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			r.t.Fatal(err)
		}
		if res.StatusCode == http.StatusContinue {
			continue
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			r.t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
}

// moved returns a request for another path.
func moved(request []byte, path string) []byte {
	line, rest, _ := bytes.Cut(request, []byte("\r\n"))
	method, _, _ := bytes.Cut(line, []byte(" "))
	return bytes.Join([][]byte{append(append(bytes.Clone(method), ' '), path+" HTTP/1.1"...), rest}, []byte("\r\n"))
}

// TestCapturedRequests replays what real clients sent, byte for byte: framing, headers, compression. Those for this path are
// accepted. The others are sent here by mistake: such a body is kept as it is, or refused in words.
func TestCapturedRequests(t *testing.T) {
	r := start(t, 2, nil).ready()
	want := map[string]struct {
		status, entries int
		body            string
	}{
		"java-log4j-1":        {200, 1, `{"code":0,"message":"success","data":{"id":`},
		"js-winston-1":        {200, 2, `"accepted":2,"rejected":0`},
		"js-winston-single-1": {200, 1, `{"code":0,"message":"success","data":{"id":`},
		"syslog-ng-http-1":    {200, 2, `"accepted":2,"rejected":0`},
		"py-httphandler-1":    {400, 0, `malformed JSON at byte 0: a value expected; the body is a form, must be JSON`},
	}
	files, err := filepath.Glob("testdata/captures/*.request")
	if err != nil || len(files) < len(want) {
		t.Fatalf("%d captures, %v", len(files), err)
	}
	stored := 0
	for _, file := range files {
		request, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".request")
		if c, ours := want[name]; ours {
			if status, body := r.raw(request); status != c.status || !strings.Contains(body, c.body) {
				t.Errorf("%s: got %d %s, want %d %s", name, status, body, c.status, c.body)
			}
			stored += c.entries
			continue
		}
		for _, path := range []string{path, auditPath, auditPath + "/batch"} {
			status, body := r.raw(moved(request, path))
			if status != http.StatusBadRequest && status != http.StatusUnsupportedMediaType || strings.Contains(body, "internal") {
				t.Errorf("%s at %s: got %d %s, want it refused in words", name, path, status, body)
			}
		}
	}
	entries, _ := r.log(2)
	if len(entries) != stored {
		t.Errorf("%d entries in the log, want %d", len(entries), stored)
	}
	for _, e := range entries {
		if e.Action == "login" && e.Device == "device-17" && e.Detail != "" && e.Detail != `badge accepted for "ada" é` {
			t.Errorf("got %v", e)
		}
	}
}
