package deploy_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api/contract"
)

// system is the system of the compose file on this machine: its services with its settings and its proxy configuration, with a broker
// and a ClickHouse engine of the test instead of its images.
type system struct {
	base             string // of the proxy
	collector, query *process
}

func startSystem(t *testing.T) *system {
	t.Helper()
	caddy := installed(t, "caddy", "caddy")
	project := load(t)
	broker := testbed.Kafka(t, 4)
	dsn := must(url.Parse(testbed.ClickHouse(t)))
	password, _ := dsn.User.Password()
	addresses := strings.NewReplacer(
		"kafka:9092", broker.Addr(),
		"activitylog@clickhouse:8123/activity", dsn.User.Username()+"@"+dsn.Host+dsn.Path,
	)
	settings := testbedSettings(broker)
	settings["CLICKHOUSE_PASSWORD"] = password

	migrate := project.Services["migrate"]
	if out, err := run(t.Context(), environment(migrate, addresses, settings), binary(t, migrate.Command[0]), migrate.Command[1:]...); err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	ports := map[string]string{}
	service := func(name string) *process {
		ports[name] = freePort(t)
		settings["HTTP_ADDR"] = "127.0.0.1:" + ports[name]
		s := project.Services[name]
		return start(t, environment(s, addresses, settings), binary(t, s.Command[0]), s.Command[1:]...)
	}
	sys := &system{collector: service("collector"), query: service("query")}
	consumer := service("consumer")
	sys.collector.ready(ports["collector"])
	sys.query.ready(ports["query"])
	consumer.ready(ports["consumer"])

	port := freePort(t)
	addresses = strings.NewReplacer("collector:8080", "127.0.0.1:"+ports["collector"], "query:8080", "127.0.0.1:"+ports["query"])
	env := environment(project.Services["proxy"], addresses, map[string]string{
		"PROXY_PORT": port, "PROXY_BIND": "127.0.0.1", "HOME": t.TempDir(),
	})
	proxy := start(t, env, caddy, "run", "--adapter", "caddyfile", "--config", mounted(t, project.Services["proxy"].Volumes, "/etc/caddy/Caddyfile"))
	proxy.ready(port)
	sys.base = "http://127.0.0.1:" + port
	return sys
}

// do sends a request through the proxy and returns its status, its headers and its body.
func (s *system) do(t *testing.T, method, path, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if path != "/metrics" && !strings.HasPrefix(path, "/debug/") { // which the proxy hides
		contract.Hold(t, contract.Exchange{
			Method: method, Target: path, Header: req.Header, Body: []byte(body), Status: res.StatusCode, AnswerHeader: res.Header, Answer: got,
		})
	}
	return res.StatusCode, res.Header, strings.TrimSpace(string(got))
}

func TestProxy(t *testing.T) {
	s := startSystem(t)
	t.Run("session of the README", func(t *testing.T) { testSession(t, s.base) })
	t.Run("a compressed batch, and reading it", func(t *testing.T) { testBatch(t, s) })
	t.Run("an entry in the audit dialect, and reading it", func(t *testing.T) { testAudit(t, s) })
	t.Run("metrics are not for callers", func(t *testing.T) {
		if status, _, _ := s.do(t, "GET", "/metrics", ""); status != http.StatusNotFound {
			t.Errorf("GET /metrics: got %d, want 404", status)
		}
	})
	t.Run("answers of the services keep their status", func(t *testing.T) {
		for _, c := range []struct {
			method, path, body string
			status             int
		}{
			{"POST", "/api/v1/activity_log", `{"platform":"tiktok"}`, 400},
			{"GET", "/api/v1/activity_log?limit=-1", "", 400},
			{"DELETE", "/api/v1/activity_log/9007199254740991", "", 404},
			{"GET", "/api/v1/nothing", "", 404},
		} {
			if status, _, body := s.do(t, c.method, c.path, c.body); status != c.status || !strings.HasPrefix(body, `{"code":40`) {
				t.Errorf("%s %s: got %d %s, want %d", c.method, c.path, status, body, c.status)
			}
		}
	})
	t.Run("each half without the other", func(t *testing.T) { testHalves(t, s) })
}

func testBatch(t *testing.T, s *system) {
	var body bytes.Buffer
	zip := gzip.NewWriter(&body)
	for i := range 1000 {
		fmt.Fprintf(zip, `{"action_type":"follow","platform":"instagram","serial":"device-%d"}`+"\n", i%7)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	status, header, got := s.do(t, "POST", "/api/v1/activity_log", body.String(), "Content-Type", "application/x-ndjson", "Content-Encoding", "gzip")
	if status != 200 || !strings.Contains(got, `"accepted":1000,"rejected":0`) {
		t.Fatalf("POST of 1000 entries: got %d %.300s", status, got)
	}
	position := header.Get(schema.PositionHeader)
	status, _, got = s.do(t, "GET", "/api/v1/activity_log/count?platform=instagram", "", schema.PositionHeader, position)
	if want := `{"code":0,"message":"success","data":{"count":1000}}`; status != 200 || got != want {
		t.Errorf("count at %q: got %d %s, want %s", position, status, got, want)
	}
}

// testAudit writes through the collector and reads from the query service, which also answers other paths with the same beginning.
func testAudit(t *testing.T, s *system) {
	const path = "/api/v1/activity-logs"
	status, header, body := s.do(t, "POST", path, `{"action":"TICKET_PAY","targetType":"TICKET","targetId":"a/b%c"}`)
	id, ok := strings.CutPrefix(body, `{"success":true,"data":{"id":"`)
	if status != 201 || !ok {
		t.Fatalf("POST: got %d %s, want 201", status, body)
	}
	id, _, _ = strings.Cut(id, `"`)
	status, _, body = s.do(t, "GET", path+"/"+id, "", schema.PositionHeader, header.Get(schema.PositionHeader))
	if status != 200 || !strings.Contains(body, `"action":"TICKET_PAY"`) {
		t.Errorf("GET of what was written: got %d %s", status, body)
	}
	if status, _, body = s.do(t, "GET", path+"/target/TICKET/a%2Fb%25c", ""); status != 200 || !strings.Contains(body, id) {
		t.Errorf("GET of its target, a slash within a segment: got %d %s", status, body)
	}
	if status, header, _ = s.do(t, "HEAD", path+"/count", ""); status != 200 || header.Get("Content-Length") == "" {
		t.Errorf("HEAD: got %d %v, want 200", status, header)
	}
	if status, _, body = s.do(t, "POST", path+"/batch", `[{"action":"a"},{"action":"b"}]`); status != 200 || !strings.Contains(body, `"accepted":2`) {
		t.Errorf("POST of two: got %d %s, want 200", status, body)
	}
}

// testHalves stops the services one after the other.
func testHalves(t *testing.T, s *system) {
	s.query.stop()
	if status, header, body := s.do(t, "GET", "/api/v1/activity_log", ""); status != 503 || header.Get("Retry-After") == "" || !strings.HasPrefix(body, `{"code":50301,`) {
		t.Errorf("GET without the query service: got %d %v %s, want 503 with code 50301 and Retry-After", status, header, body)
	}
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/api/v1/activity-logs", `{"success":false,"message":"the service is unavailable, nothing was accepted: try again","meta":{"requestId":"req-7","details":[]}}`},
		{"GET", "/api/v1/activity-logs/user/7", `{"success":false,"message":"the service is unavailable, nothing was accepted: try again","meta":{"requestId":"req-7","details":[]}}`},
		{"POST", "/api/v1/activity-logs/cleanup", `{"success":false,"message":"the service is unavailable, nothing was accepted: try again","meta":{"requestId":"req-7","details":[]}}`},
		{"DELETE", "/api/v1/activity-logs/batch", `{"success":false,"message":"the service is unavailable, nothing was accepted: try again","meta":{"requestId":"req-7","details":[]}}`},
		{"POST", "/filterActivity", `{"message":"the service is unavailable, nothing was accepted: try again"}`},
		{"GET", "/actionlogs", `{"responseStatus":{"errorCode":"ServiceUnavailable","message":"the service is unavailable, nothing was accepted: try again","errors":[]}}`},
		{"GET", "/actionlogs.json", `{"responseStatus":{"errorCode":"ServiceUnavailable","message":"the service is unavailable, nothing was accepted: try again","errors":[]}}`},
	} {
		if status, header, body := s.do(t, c.method, c.path, "{}", "X-Request-Id", "req-7"); status != 503 || body != c.want || header.Get("Retry-After") == "" {
			t.Errorf("%s %s without the query service: got %d %v %s, want 503 %s", c.method, c.path, status, header, body, c.want)
		}
	}
	for _, id := range []string{"", `","x":"`} { // no caller can insert JSON into the answer
		_, header, body := s.do(t, "GET", "/api/v1/activity-logs", "", "X-Request-Id", id)
		if made := header.Get("X-Request-Id"); len(made) != 36 || !strings.Contains(body, `"requestId":"`+made+`"`) {
			t.Errorf("GET with the request id %q: got %q and %s, want a new one in both", id, made, body)
		}
	}
	for _, c := range []struct {
		path, body string
		status     int
	}{{"/api/v1/activity_log", `{"action_type":"login"}`, 200}, {"/api/v1/activity-logs", `{"action":"login"}`, 201}} {
		if status, _, body := s.do(t, "POST", c.path, c.body); status != c.status {
			t.Errorf("POST %s without the query service: got %d %s, want %d", c.path, status, body, c.status)
		}
	}
	s.collector.stop()
	if status, _, body := s.do(t, "POST", "/api/v1/activity-logs/batch", `[{"action":"a"}]`); status != 503 || !strings.HasPrefix(body, `{"success":false,`) {
		t.Errorf("POST without the collector: got %d %s, want 503", status, body)
	}
	if status, _, body := s.do(t, "POST", "/api/v1/activity_log", `{"action_type":"login"}`); status != 503 || !strings.HasPrefix(body, `{"code":50301,`) {
		t.Errorf("POST without the collector: got %d %s, want 503 with code 50301", status, body)
	}
}

// TestProxyOfServicesThatEnd: a service that ends between a request and its answer may have carried it out.
func TestProxyOfServicesThatEnd(t *testing.T) {
	caddy := installed(t, "caddy", "caddy")
	ends, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ends.Close() })
	go func() {
		for {
			conn, err := ends.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1<<10))
			_ = conn.Close()
		}
	}()
	port := freePort(t)
	project := load(t)
	env := environment(project.Services["proxy"], strings.NewReplacer("collector:8080", ends.Addr().String(), "query:8080", ends.Addr().String()), map[string]string{
		"PROXY_PORT": port, "PROXY_BIND": "127.0.0.1", "HOME": t.TempDir(),
	})
	proxy := start(t, env, caddy, "run", "--adapter", "caddyfile", "--config", mounted(t, project.Services["proxy"].Volumes, "/etc/caddy/Caddyfile"))
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the proxy does not listen: %v", err)
		}
	}
	s := &system{base: "http://127.0.0.1:" + port, collector: proxy}
	const message = "the service has not answered: the outcome is unknown, try again"
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/api/v1/activity_log", `{"action_type":"a"}`, `{"code":50401,"message":"` + message + `","data":null}`},
		{"DELETE", "/api/v1/activity_log/all", "", `{"code":50401,"message":"` + message + `","data":null}`},
		{"POST", "/api/v1/activity-logs", `{"action":"a"}`, `{"success":false,"message":"` + message + `","meta":{"requestId":"req-7","details":[]}}`},
		{"POST", "/filterActivity", "{}", `{"message":"` + message + `"}`},
		{"DELETE", "/api/v1/activity-logs/1", "", `{"success":false,"message":"` + message + `","meta":{"requestId":"req-7","details":[]}}`},
	} {
		if status, _, body := s.do(t, c.method, c.path, c.body, "X-Request-Id", "req-7"); status != 504 || body != c.want {
			t.Errorf("%s %s: got %d %s, want 504 %s", c.method, c.path, status, body, c.want)
		}
	}
}

// testSession runs the commands between the session markers of README.md as pasted and compares the replies. An entry may take a
// second until it is listed.
func testSession(t *testing.T, base string) {
	curl := installed(t, "curl", "curl")
	text := must(os.ReadFile(filepath.Join(root, "README.md")))
	_, session, _ := strings.Cut(string(text), "<!-- session:begin -->\n```console\n")
	session, _, ok := strings.Cut(session, "```\n<!-- session:end -->")
	if !ok {
		t.Fatal("README.md has no session")
	}
	steps := strings.Split("\n"+session, "\n$ curl ")[1:]
	if len(steps) < 5 {
		t.Fatalf("README.md shows %d requests, want at least one of each kind", len(steps))
	}
	for _, step := range steps {
		command, want, _ := strings.Cut(strings.TrimSpace(step), "\n")
		command = strings.ReplaceAll(command, "http://localhost:50809", base)
		got := ""
		for deadline := time.Now().Add(time.Second); ; time.Sleep(20 * time.Millisecond) {
			out, err := exec.CommandContext(t.Context(), "bash", "-c", curl+" -sS "+command).Output()
			if err != nil {
				t.Fatalf("curl %s: %v", command, err)
			}
			got = strings.TrimSpace(string(out))
			if got == want || strings.Contains(command, "-X ") || time.Now().After(deadline) {
				break
			}
		}
		if got != want {
			t.Errorf("curl %s\n got %s\nwant %s", command, got, want)
		}
	}
}
