package load

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/activitylog/activitylog/cmd/loadgen/journal"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

// counter accepts entries as the dialect says. It refuses the first requests, as many as refusals.
type counter struct {
	refusals atomic.Int64
	entries  atomic.Int64
	stall    time.Duration
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	switch r.Header.Get("Content-Encoding") {
	case "gzip":
		body, _ = gzip.NewReader(body)
	case "zstd":
		z, _ := zstd.NewReader(body)
		defer z.Close()
		body = z
	}
	text, _ := io.ReadAll(body)
	n := max(bytes.Count(text, []byte("\n")), 1)
	if c.refusals.Add(-1) >= 0 {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"code":50301,"message":"unavailable","data":null}`)
		return
	}
	time.Sleep(c.stall)
	last := c.entries.Add(int64(n))
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprint(int(last)-n+i+1))
	}
	fmt.Fprintf(w, `{"code":0,"message":"success","data":{"ids":[%s],"accepted":%d,"rejected":0,"errors":[]}}`, strings.Join(ids, ","), n)
}

func start(t *testing.T, c *counter) string {
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return s.URL
}

func TestEverythingIsSentOnceInEachEncoding(t *testing.T) {
	source := workload.New(1, 1000, 1_795_219_200_000)
	for _, encoding := range []string{"none", "gzip", "zstd"} {
		server := &counter{}
		server.refusals.Store(3)
		name := filepath.Join(t.TempDir(), "journal")
		notes, err := journal.Create(name, journal.Head{Seed: 1, Total: 1000, Start: source.Start})
		if err != nil {
			t.Fatal(err)
		}
		got, err := Run(t.Context(), Config{URL: start(t, server), Connections: 3, Batch: 7, Count: 1000, Encoding: encoding, Retries: 5}, source, notes, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := notes.Close(); err != nil {
			t.Fatal(err)
		}
		if got.Accepted != 1000 || got.Retried != 3 || server.entries.Load() != 1000 {
			t.Errorf("%s: %+v, the server saw %d", encoding, got, server.entries.Load())
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if j, err := journal.Read(f); err != nil || len(j.Acknowledged) != 1000 || len(j.Repeated) != 0 {
			t.Errorf("%s: journal of %d entries, %v", encoding, len(j.Acknowledged), err)
		}
	}
}

// A server that needs 50 ms for each request cannot answer 100 of them a second on one connection: the latency of a request must
// include the time that it waited for the connection.
func TestLatencyCountsFromWhenARequestWasDue(t *testing.T) {
	url := start(t, &counter{stall: 50 * time.Millisecond})
	got, err := Run(t.Context(), Config{URL: url, Connections: 1, Batch: 1, Count: 10, Rate: 100}, workload.New(1, 10, 0), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Latency.Max < 300*time.Millisecond || got.Latency.P50 < 120*time.Millisecond {
		t.Errorf("latency = %+v, want the queue in it", got.Latency)
	}
}

func TestRefusedEntriesAreCounted(t *testing.T) {
	server := &counter{}
	server.refusals.Store(1 << 40)
	got, err := Run(t.Context(), Config{URL: start(t, server), Connections: 2, Batch: 5, Count: 10}, workload.New(1, 10, 0), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Accepted != 0 || got.Rejected != 10 {
		t.Errorf("%+v, want 10 rejected", got)
	}
}

func TestUnknownEncodingIsRefused(t *testing.T) {
	if _, err := Run(t.Context(), Config{URL: "http://127.0.0.1:1", Encoding: "br", Count: 1}, workload.New(1, 1, 0), nil, nil); err == nil {
		t.Error("no error")
	}
}
