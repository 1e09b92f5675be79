package cmd_test

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/activitylog/activitylog/schema"
)

// activityctl exports through the client that is generated from openapi.yaml.
func TestExport(t *testing.T) {
	p := standalone(t)
	var position string
	for _, body := range []string{`{"action":"a","timestamp":1707725001000,"serial":"d"}`, `{"action":"b","timestamp":1707725002000}`, `{"action":"a","timestamp":1707725003000}`} {
		status, answer, header := p.do(mustRequest(t, http.MethodPost, "http://"+p.addr+"/api/v1/activity-logs", body))
		if position = header.Get(schema.PositionHeader); status != http.StatusCreated {
			t.Fatalf("write: %d %s", status, answer)
		}
		p.until(t, "/api/v1/activity-logs/count?position="+position, 200, "count")
	}
	const path = "/api/v1/activity-logs/export"
	_, all := p.ask(http.MethodGet, path, "")
	_, some := p.ask(http.MethodGet, path+"?action=a&format=csv", "")
	if strings.Count(all, "\n") != 3 || strings.Count(some, "\n") != 3 {
		t.Fatalf("got %s and %s, want three entries, and two below a header", all, some)
	}

	url := "--url=http://" + p.addr
	if out, code := run(t, nil, "activityctl", "export", url); code != 0 || out != all {
		t.Errorf("got exit %d and %s, want %s", code, out, all)
	}
	file := filepath.Join(t.TempDir(), "entries.csv")
	out, code := run(t, nil, "activityctl", "export", url, "--action=a", "--format=csv", "--out="+file)
	if text, err := os.ReadFile(file); code != 0 || string(text) != some {
		t.Errorf("--out: got exit %d, %s, %s, %v, want %s", code, out, text, err, some)
	}

	t.Run("cut off", func(t *testing.T) {
		c := cutter{next: p.handler()}
		server := httptest.NewServer(&c)
		t.Cleanup(server.Close)
		if out, code := run(t, nil, "activityctl", "export", "--url="+server.URL); code != 0 || out != all || c.asked.Load() != 2 {
			t.Errorf("got exit %d, %d requests and %s, want %s of two", code, c.asked.Load(), out, all)
		}
		c.asked.Store(0)
		file := filepath.Join(t.TempDir(), "entries.json")
		if out, code := run(t, nil, "activityctl", "export", "--url="+server.URL, "--format=json", "--out="+file); code != 1 {
			t.Errorf("what cannot be continued: got exit %d, %s", code, out)
		}
		if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--url=nowhere"}, 78, "QUERY_URL"},
		{[]string{"--url=http://127.0.0.1:1"}, 1, "refused"},
		{[]string{url, "--start=yesterday"}, 1, "startDate"},
		{[]string{url, "--format=xlsx"}, 2, "format"},
	} {
		if out, code := run(t, nil, "activityctl", append([]string{"export"}, tt.args...)...); code != tt.code || !strings.Contains(out, tt.says) {
			t.Errorf("%v: got exit %d and %s, want %d and %q", tt.args, code, out, tt.code, tt.says)
		}
	}
}

// cutter cuts the connection of the first answer behind its first line.
type cutter struct {
	next  http.Handler
	asked atomic.Int32
}

func (c *cutter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.asked.Add(1) > 1 {
		c.next.ServeHTTP(w, r)
		return
	}
	rec := httptest.NewRecorder()
	c.next.ServeHTTP(rec, r)
	maps.Copy(w.Header(), rec.Result().Header)
	w.WriteHeader(rec.Code)
	line, _, _ := bytes.Cut(rec.Body.Bytes(), []byte("\n"))
	_, _ = w.Write(append(line, "\n{"...))
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func mustRequest(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}
