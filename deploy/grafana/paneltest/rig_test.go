package paneltest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	root    = "../../.." // of the repository
	entries = 200_000
	days    = 7 // over which the entries are spread
)

// Names that need quoting in SQL and in addresses.
const (
	oddAccount = `CORP\ann o'neil "x" %41&=#`
	oddDevice  = `d'1\n/é?`
)

// rig is a running standalone with entries, and a Prometheus that scrapes it.
type rig struct {
	addr    string // of the HTTP interface
	sources Sources
	odd     int // entries of oddAccount on oddDevice
}

// start starts standalone and Prometheus, stores the entries, and keeps asking for something until the test ends.
func start(t *testing.T) *rig {
	t.Helper()
	if _, err := exec.LookPath("prometheus"); err != nil {
		t.Fatal("prometheus is not installed: on Debian, apt-get install prometheus")
	}
	data := t.TempDir()
	log := run(t, []string{"HTTP_ADDR=127.0.0.1:0", "ENGINE_ADDR=127.0.0.1:0", "DATA_DIR=" + data}, filepath.Join(root, "bin/standalone"))
	r := &rig{addr: until(t, log, regexp.MustCompile(`"msg":"listening".*"addr":"([^"]+)"`))}
	r.sources.Metrics.URL = "http://" + prometheus(t, r.addr)
	r.eventually(t, "/readyz", `"status":"ready"`)
	r.fill(t)
	links := settings(t, filepath.Join(data, "services.env"))
	dsn, err := url.Parse(links["CLICKHOUSE_DSN"])
	if err != nil {
		t.Fatal(err)
	}
	r.sources.Tables, err = OpenTables(t.Context(), dsn.Host, strings.TrimPrefix(dsn.Path, "/"), "reader", links["READER_PASSWORD"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.sources.Tables.Close)
	return r
}

// run starts a command that ends with the test, and returns the path of its log.
func run(t *testing.T, env []string, name string, args ...string) (log string) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), filepath.Base(name)+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run make build", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		_ = file.Close()
	})
	return file.Name()
}

// until waits until the log matches, and returns the first group.
func until(t *testing.T, log string, what *regexp.Regexp) string {
	t.Helper()
	var text []byte
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		text, _ = os.ReadFile(log)
		if m := what.FindSubmatch(text); m != nil {
			return string(m[1])
		}
	}
	t.Fatalf("the log does not say %s, but\n%s", what, text)
	return ""
}

// prometheus starts a server that scrapes standalone every second, and a service that is not there, under the alerts of this repository.
func prometheus(t *testing.T, target string) (addr string) {
	t.Helper()
	alerts, err := filepath.Abs(filepath.Join(root, "deploy/prometheus/alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	dir, addr := t.TempDir(), free(t)
	config := fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
  - job_name: activitylog
    static_configs:
      - {targets: [%q], labels: {service: standalone}}
      - {targets: ["127.0.0.1:1"], labels: {service: collector}}
`, alerts, target)
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "prometheus", "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	return addr
}

func free(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

// settings reads a file of NAME=value lines.
func settings(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			all[name] = strings.Trim(value, `"'`)
		}
	}
	return all
}

// fill stores the entries, and waits until they can be read.
func (r *rig) fill(t *testing.T) {
	t.Helper()
	const batch = 10_000
	now := time.Now().UnixMilli()
	for first := 0; first < entries; first += batch {
		var body bytes.Buffer
		encode := json.NewEncoder(&body)
		for i := first; i < first+batch; i++ {
			_ = encode.Encode(r.entry(i, now))
		}
		if status, text := r.ask(t.Context(), http.MethodPost, "/api/v1/activity_log", body.String(), "Content-Type", "application/x-ndjson"); status != http.StatusOK {
			t.Fatalf("store entries: %d %s", status, text)
		}
	}
	r.eventually(t, "/api/v1/activity_log/count", fmt.Sprint(entries))
	if status, text := r.ask(t.Context(), http.MethodDelete, "/api/v1/activity-logs?requestId=nothing", ""); status != http.StatusOK {
		t.Fatalf("erase: %d %s", status, text)
	}
}

// eventually waits until a response contains a text.
func (r *rig) eventually(t *testing.T, path, want string) {
	t.Helper()
	var text string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, text = r.ask(t.Context(), http.MethodGet, path, ""); strings.Contains(text, want) {
			return
		}
	}
	t.Fatalf("%s: want %s, got %s", path, want, text)
}

// entry is entry i: the last days, 5 platforms, 12 actions, 997 devices, 3,989 accounts, few of which are busy.
func (r *rig) entry(i int, now int64) map[string]any {
	actions := []string{"login", "logout", "upload", "download", "share", "like", "comment", "purchase", "settings_change", "view", "login_failed", "sync_error"}
	e := map[string]any{
		"platform": []string{"ios", "android", "web", "tv", "console"}[i*7919%1013%5], "action_type": actions[i*7919%1009%len(actions)],
		"serial": fmt.Sprintf("SN-%d", i*i%997), "username": fmt.Sprintf("user-%d", i*i%3989),
		"action_detail": fmt.Sprintf("Item #%d", i), "timestamp": now - int64(i)*days*86_400_000/entries,
	}
	if i%1000 == 7 {
		e["serial"], e["username"] = oddDevice, oddAccount
		r.odd++
	}
	return e
}

// ask returns status and body of a response; 0 without one. header is a name and a value.
func (r *rig) ask(ctx context.Context, method, path, body string, header ...string) (int, string) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.addr+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}

// busy asks for everything that a metric counts, again and again, until ctx ends.
func (r *rig) busy(ctx context.Context) {
	tail, stop := context.WithCancel(ctx)
	defer stop()
	go func() { _, _ = r.ask(tail, http.MethodGet, "/api/v1/activity-logs/stream", "") }()
	for i := 0; ctx.Err() == nil; i++ {
		for _, x := range []struct{ method, path, body string }{
			{http.MethodPost, "/api/v1/activity_log", `{"action_type":"login","serial":"SN-now"}`},
			{http.MethodPost, "/api/v1/activity_log", `{"action_type":"login","serial":"SN-now","event_id":"the same every time"}`},
			{http.MethodPost, "/api/v1/activity_log", `{"action_type":17}`},
			{http.MethodPost, "/api/v1/activity-logs", `{"action":"login","platform":"ios"}`},
			{http.MethodGet, "/api/v1/activity_log?serial=SN-1", ""},
			{http.MethodGet, "/api/v1/activity_log/count", ""},
			{http.MethodGet, "/api/v1/activity-logs/stats?groupBy=platform", ""},
			{http.MethodGet, "/api/v1/activity-logs/export?format=ndjson&serial=SN-1", ""},
			{http.MethodGet, "/actionlogs?Page=1&ItemsPerPage=1", ""},
			{http.MethodDelete, "/api/v1/activity-logs?requestId=nothing", ""},
		} {
			_, _ = r.ask(ctx, x.method, x.path, x.body)
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// exported are the names of the project's metrics on /metrics, without the suffixes of histograms.
func (r *rig) exported(t *testing.T) map[string]bool {
	t.Helper()
	status, text := r.ask(t.Context(), http.MethodGet, "/metrics", "")
	if status != http.StatusOK {
		t.Fatalf("metrics: %d %s", status, text)
	}
	all := map[string]bool{}
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		if name, ok := strings.CutPrefix(s.Text(), "# TYPE activity_"); ok {
			all["activity_"+strings.Fields(name)[0]] = true
		}
	}
	return all
}
