package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

// recorded speaks the wire format of a VictoriaLogs: it counts received entries by tenant, and records the queries.
type recorded struct {
	mu      sync.Mutex
	rows    map[string]int
	inserts []url.Values
	queries []url.Values
	cpu     float64
}

func (s *recorded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tenant := r.Header.Get("AccountID")
	switch r.URL.Path {
	case "/metrics":
		s.cpu += 0.01
		fmt.Fprintf(w, "vm_app_version{version=\"victoria-logs-x\", short_version=\"v1.2.3\"} 1\nprocess_cpu_seconds_total %g\n", s.cpu)
	case "/insert/jsonline":
		body, _ := io.ReadAll(r.Body)
		for line := range bytes.Lines(body) {
			if !json.Valid(line) {
				http.Error(w, "not JSON", http.StatusBadRequest)
				return
			}
			s.rows[tenant]++
		}
		s.inserts = append(s.inserts, r.URL.Query())
	case "/select/logsql/query":
		_ = r.ParseForm()
		s.queries = append(s.queries, r.PostForm)
		if strings.Contains(r.PostForm.Get("query"), "stats count()") {
			fmt.Fprintf(w, "{\"n\":\"%d\"}\n", s.rows[tenant])
		}
	default:
		http.NotFound(w, r)
	}
}

func TestPeerIsSentTheSameEntries(t *testing.T) {
	server := &recorded{rows: map[string]int{}}
	ts := httptest.NewServer(server)
	defer ts.Close()
	p, err := openPeer(t.Context(), ts.URL+"/")
	if err != nil {
		t.Fatal(err)
	}
	defer p.client.CloseIdleConnections()
	if p.version != "v1.2.3" {
		t.Errorf("version = %q, want v1.2.3", p.version)
	}
	const n = 2*batch + 7
	if err := p.send(t.Context(), workload.New(1, n, 1_795_219_200_000), n); err != nil {
		t.Fatal(err)
	}
	if got, err := p.count(t.Context(), nil); err != nil || got != n {
		t.Errorf("count = %d, %v, want %d", got, err, n)
	}
	if got := server.inserts[0].Get("_time_field"); got != "timestamp" {
		t.Errorf("_time_field = %q, want timestamp", got)
	}
	p.tenant++
	if got, err := p.count(t.Context(), nil); err != nil || got != 0 {
		t.Errorf("count of another tenant = %d, %v, want 0", got, err)
	}
}

func TestQuestionsInLogsQL(t *testing.T) {
	server := &recorded{rows: map[string]int{}}
	ts := httptest.NewServer(server)
	defer ts.Close()
	p, err := openPeer(t.Context(), ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer p.client.CloseIdleConnections()
	for _, c := range []struct{ params, want url.Values }{
		{url.Values{}, url.Values{"query": {"*"}, "limit": {"100"}}},
		{
			url.Values{"platform": {"x"}, "action_type": {"post"}, "end": {"1795219200"}},
			url.Values{"query": {`platform:="x" action_type:="post"`}, "limit": {"100"}, "end": {"1795219200"}},
		},
		{url.Values{"search": {"00000007"}}, url.Values{"query": {`"00000007"`}, "limit": {"100"}}},
	} {
		if err := p.list(t.Context(), c.params); err != nil {
			t.Fatal(err)
		}
		if got := server.queries[len(server.queries)-1].Encode(); got != c.want.Encode() {
			t.Errorf("%v: got %s, want %s", c.params, got, c.want.Encode())
		}
	}
}

func TestSampleSumsOverLabels(t *testing.T) {
	const text = "vl_data_size_bytes{type=\"storage\",x=\"a b\"} 1\nvl_data_size_bytes{type=\"storage\"} 5\nvl_data_size_bytes{type=\"indexdb\"} 7\nvl_data_size_bytes_total 100\n"
	if got := sample([]byte(text), "vl_data_size_bytes", `type="storage"`); got != 6 {
		t.Errorf("sample() = %v, want 6", got)
	}
	if got := sample([]byte(text), "vl_data_size_bytes_total", ""); got != 100 {
		t.Errorf("sample() = %v, want 100", got)
	}
}

func TestPeerThatIsNone(t *testing.T) {
	ts := httptest.NewServer(http.NotFoundHandler())
	defer ts.Close()
	for _, base := range []string{ts.URL, "nonsense", "http://127.0.0.1:1"} {
		if _, err := openPeer(t.Context(), base); err == nil {
			t.Errorf("openPeer(%q): got no error, want one", base)
		}
	}
}
