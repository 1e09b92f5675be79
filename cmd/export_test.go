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

// activityctl exports with the client that is generated from openapi.yaml.
func TestExport(t *testing.T) {
	t.Parallel()
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

	t.Run("cut off", func(t *testing.T) { cutOff(t, p) })
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--url=nowhere"}, 78, "QUERY_URL"},
		{[]string{"--url=http://127.0.0.1:1"}, 1, "refused"},
		{[]string{url, "--start=yesterday"}, 1, "--start: must be"},
		{[]string{url + "/elsewhere"}, 1, "check QUERY_URL"},
		{[]string{url, "--format=xlsx"}, 2, "format"},
	} {
		if out, code := run(t, nil, "activityctl", append([]string{"export"}, tt.args...)...); code != tt.code || !strings.Contains(out, tt.says) {
			t.Errorf("%v: got exit %d and %s, want %d and %q", tt.args, code, out, tt.code, tt.says)
		}
	}
}

// cutOff exports from a service whose responses break off: with one command, and with the same command again later.
func cutOff(t *testing.T, p *process) {
	c := cutter{next: p.handler()}
	server := httptest.NewServer(&c)
	t.Cleanup(server.Close)
	args := func(format string, more ...string) []string {
		return append([]string{"export", "--url=" + server.URL, "--format=" + format}, more...)
	}
	for format, half := range map[string]string{"ndjson": "{\"tor", "json": ",\n{\"tor", "csv": "1,\"to\nr"} {
		_, whole := p.ask(http.MethodGet, "/api/v1/activity-logs/export?format="+format, "")
		c.asked.Store(0)
		if out, code := run(t, nil, "activityctl", args(format)...); code != 0 || out != whole || c.asked.Load() != 2 {
			t.Errorf("%s: got exit %d, %d requests and %s, want %s of two", format, code, c.asked.Load(), out, whole)
		}
		file := filepath.Join(t.TempDir(), "entries")
		c.asked.Store(0)
		c.gone.Store(true)
		if out, code := run(t, nil, "activityctl", args(format, "--out="+file)...); code != 1 || !strings.Contains(out, "entries.part") {
			t.Errorf("%s: the service is gone: got exit %d, %s", format, code, out)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s: the file exists before it is complete", format)
		}
		torn, err := os.OpenFile(file+".part", os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = torn.WriteString(half) // as a kill may leave the file
		_ = torn.Close()
		c.gone.Store(false)
		if out, code := run(t, nil, "activityctl", args(format, "--out="+file)...); code != 0 {
			t.Errorf("%s: once more: got exit %d, %s", format, code, out)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != whole {
			t.Errorf("%s: got %s, %v, want %s", format, text, err, whole)
		}
		if !strings.Contains(c.query.Load().(string), "after=") {
			t.Errorf("%s: it started again from the beginning: %s", format, c.query.Load())
		}
		if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
			t.Errorf("%s: left behind: %v, %v", format, left, err)
		}
	}
	c.asked.Store(0)
	file := filepath.Join(t.TempDir(), "entries")
	if out, code := run(t, nil, "activityctl", args("parquet", "--out="+file)...); code != 1 {
		t.Errorf("parquet, which cannot be continued: got exit %d, %s", code, out)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 0 {
		t.Errorf("parquet: left behind: %v, %v", left, err)
	}
	if out, code := run(t, nil, "activityctl", args("parquet", "--out="+file)...); code != 0 {
		t.Errorf("parquet: got exit %d, %s", code, out)
	}
	if text, err := os.ReadFile(file); err != nil || !bytes.HasPrefix(text, []byte("PAR1")) || !bytes.HasSuffix(text, []byte("PAR1")) {
		t.Errorf("parquet: got %q, %v", text, err)
	}
}

// cutter closes the connection after two thirds of the first response. While gone is set, it does not answer.
type cutter struct {
	next  http.Handler
	asked atomic.Int32
	gone  atomic.Bool
	query atomic.Value // of the last request
}

func (c *cutter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.query.Store(r.URL.RawQuery)
	if c.asked.Add(1) > 1 {
		if c.gone.Load() {
			panic(http.ErrAbortHandler)
		}
		c.next.ServeHTTP(w, r)
		return
	}
	rec := httptest.NewRecorder()
	c.next.ServeHTTP(rec, r)
	maps.Copy(w.Header(), rec.Result().Header)
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()*2/3])
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
