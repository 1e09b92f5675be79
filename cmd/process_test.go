package cmd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	free "github.com/activitylog/activitylog/cmd/loadgen/process"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// bin is the folder of the binaries, which are built once.
var bin string

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "activitylog-cmd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	build := exec.Command("go", "build", "-o", dir+"/", "./collector", "./consumer", "./query", "./standalone", "./activityctl", "./loadgen")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// clean returns the environment of a child process: env and nothing that would configure it otherwise.
func clean(env []string) []string {
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "CHDB_LIB_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// freePorts adds settings to env, so that processes of different tests do not meet.
func freePorts(env []string) []string {
	return append(append([]string{"ENGINE_ADDR=127.0.0.1:0"}, env...), "HTTP_ADDR=127.0.0.1:0") // the last one of a name counts
}

// run runs a command until it exits.
func run(t *testing.T, env []string, name string, args ...string) (output string, exit int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
	cmd.Env = clean(env)
	out, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// process is a running command.
type process struct {
	cmd   *exec.Cmd
	log   string // file
	addr  string // of its HTTP interface
	ended chan error
}

// start starts a command with its HTTP interface on a free port, and stops it when the test ends.
func start(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), name)
	if err != nil {
		t.Fatalf("log: %v", err)
	}
	defer log.Close()
	p := &process{cmd: exec.Command(filepath.Join(bin, name), args...), log: log.Name(), ended: make(chan error, 1)}
	p.cmd.Env = clean(freePorts(env))
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() { p.kill() })
	p.addr = p.said(t, regexp.MustCompile(`"msg":"listening".*"addr":"([^"]+)"`))
	return p
}

// said waits until the log matches, and returns the first group.
func (p *process) said(t *testing.T, what *regexp.Regexp) string {
	t.Helper()
	var text []byte
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		text, _ = os.ReadFile(p.log)
		if m := what.FindSubmatch(text); m != nil {
			return string(m[1])
		}
	}
	t.Fatalf("it did not say %s, but\n%s", what, text)
	return ""
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	p.wait()
}

func (p *process) wait() {
	err := <-p.ended
	p.ended <- err
}

// stop sends SIGTERM, and returns the exit code.
func (p *process) stop(t *testing.T, sig os.Signal) int {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("signal: %v", err)
	}
	p.wait()
	return p.cmd.ProcessState.ExitCode()
}

// ask returns status and body of a response; 0 without one.
func (p *process) ask(method, path, body string) (int, string) {
	req, err := http.NewRequest(method, "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	status, answer, _ := p.do(req)
	return status, answer
}

// do returns status, body and header of a response; 0 without one.
func (p *process) do(req *http.Request) (int, string, http.Header) {
	res, err := (&http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error(), nil
	}
	return res.StatusCode, string(text), res.Header
}

// until repeats a request until the response is as wanted.
func (p *process) until(t *testing.T, path string, status int, contains string) {
	t.Helper()
	var got int
	var body string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if got, body = p.ask(http.MethodGet, path, ""); got == status && strings.Contains(body, contains) {
			return
		}
	}
	text, _ := os.ReadFile(p.log)
	t.Fatalf("GET %s: got %d %s, want %d %s; log:\n%s", path, got, body, status, contains, text)
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tt := range []struct {
		name string
		env  []string
		args []string
		want int
		says string
	}{
		{"collector", nil, []string{"--version"}, 0, "collector"},
		{"activityctl", nil, []string{"--version"}, 0, "activityctl"},
		{"query", nil, []string{"--check"}, 0, "valid"},
		{"consumer", nil, []string{"--nonsense"}, 2, "--nonsense"},
		{"activityctl", nil, nil, 0, "migrate"},
		{"collector", []string{"AUTH=jwt", "PARTITIONS=none"}, []string{"--check"}, 78, "PARTITIONS"},
		{"collector", []string{"AUTH=jwt"}, nil, 78, "JWT_SECRET"},
		{"query", []string{"JWT_SECRET=" + jwtSecret}, nil, 78, "add jwt"},
		{"query", []string{"AUTH=jwt", "JWT_SECRET=short"}, nil, 78, "32 bytes"},
		{"standalone", []string{"AUTH=jwt", "JWT_JWKS_URL=http://example.com/keys"}, nil, 78, "JWT_JWKS_URL"},
		{"query", []string{"AUTH=jwt", "JWT_SECRET=" + jwtSecret, "HTTP_ADDR=0.0.0.0:0"}, []string{"--check"}, 0, "valid"},
		{"query", []string{"HTTP_ADDR=0.0.0.0:0"}, nil, 78, "INSECURE"},
		{"consumer", []string{"CLICKHOUSE_DSN=clickhouse://u:secret@h:9000/d"}, nil, 78, "CLICKHOUSE_DSN"},
		{"consumer", []string{"CLICKHOUSE_DSN=http://u:sec ret@h:x/d"}, nil, 78, "CLICKHOUSE_DSN"},
		{"standalone", []string{"BROKER_ADDR=0.0.0.0:9092"}, []string{"--only=broker"}, 78, "BROKER_ADDR"},
		{"standalone", []string{"CHDB_LIB_PATH=/nonexistent", "HTTP_ADDR=127.0.0.1:0", "DATA_DIR=" + dir}, nil, 69, "CHDB_LIB_PATH"},
		{"activityctl", nil, []string{"ids", "12", "nonsense"}, 1, "act-12"},
	} {
		t.Run(tt.name+" "+strings.Join(append(tt.env, tt.args...), " "), func(t *testing.T) {
			out, code := run(t, tt.env, tt.name, tt.args...)
			if code != tt.want || !strings.Contains(out, tt.says) || strings.Contains(out, "sec") && strings.Contains(out, "ret@") {
				t.Errorf("got exit %d and %s, want %d and %q", code, out, tt.want, tt.says)
			}
		})
	}
}

const entries = "/api/v1/activity_log"

func TestStandalone(t *testing.T) {
	env := []string{"DATA_DIR=" + filepath.Join(t.TempDir(), "data")}
	p := start(t, env, "standalone")
	p.until(t, "/readyz", 200, `"status":"ready"`)
	if status, body := p.ask(http.MethodPost, entries, `{"action_type":"first"}`); status != 200 {
		t.Fatalf("POST: got %d %s, want 200", status, body)
	}
	p.until(t, entries, 200, `"first"`)
	if out, code := run(t, env, "standalone"); code != 69 || !strings.Contains(out, "in use") {
		t.Errorf("second process: got exit %d and %s, want 69 and why", code, out)
	}
	if out, code := run(t, nil, "activityctl", "--env-file", filepath.Join(env[0][len("DATA_DIR="):], "services.env"), "dead"); code != 0 {
		t.Errorf("activityctl dead: got exit %d and %s, want 0", code, out)
	}

	p.kill()
	p = start(t, env, "standalone")
	p.until(t, entries, 200, `"first"`)
	p.until(t, "/readyz", 200, `"status":"ready"`)
	if status, body := p.ask(http.MethodPost, entries, `{"action_type":"second"}`); status != 200 {
		t.Fatalf("POST after a kill: got %d %s, want 200", status, body)
	}
	began := time.Now()
	if code := p.stop(t, syscall.SIGINT); code != 0 || time.Since(began) > 10*time.Second {
		t.Errorf("Ctrl-C: got exit %d after %v, want 0 within 10 s", code, time.Since(began))
	}

	p = start(t, env, "standalone")
	p.until(t, entries, 200, `"second"`)
	p.until(t, entries+"/count", 200, `{"count":2}`)
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("SIGTERM: got exit %d, want 0", code)
	}
}

// Services that start before their dependencies wait for them, report that in /readyz, and become ready once they are reachable.
func TestServicesWaitForTheirDependencies(t *testing.T) {
	t.Parallel()
	broker, engine := freeAddr(t), freeAddr(t)
	env := []string{"KAFKA_BROKERS=" + broker, "CLICKHOUSE_DSN=http://default@" + engine + "/default", "CLICKHOUSE_PASSWORD=secret"}
	collector, consumer, query := start(t, env, "collector"), start(t, env, "consumer"), start(t, env, "query")
	for _, p := range []*process{collector, consumer, query} {
		p.until(t, "/livez", 200, "live")
		p.until(t, "/readyz", 503, "refused")
	}
	if status, body := collector.ask(http.MethodPost, entries, `{"action_type":"early"}`); status != 503 {
		t.Errorf("POST without Kafka: got %d %s, want 503", status, body)
	}
	if status, body := query.ask(http.MethodGet, entries, ""); status != 503 {
		t.Errorf("GET without ClickHouse: got %d %s, want 503", status, body)
	}

	b := start(t, []string{"BROKER_ADDR=" + broker, "DATA_DIR=" + t.TempDir(), "CREATE_TOPICS=false"}, "standalone", "--only=broker")
	collector.until(t, "/readyz", 503, "activityctl topics")
	if out, code := run(t, env, "activityctl", "topics"); code != 0 {
		t.Fatalf("activityctl topics: exit %d: %s", code, out)
	}
	collector.until(t, "/readyz", 503, "has not been compared with the tables yet")

	data := t.TempDir()
	e := start(t, append(env, "ENGINE_ADDR="+engine, "DATA_DIR="+data), "standalone", "--only=engine")
	for _, p := range []*process{collector, consumer, query} {
		p.until(t, "/readyz", 200, "ready")
	}
	if code := e.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("SIGTERM: engine: got exit %d, want 0", code)
	}
	if code := collector.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("SIGTERM: collector: got exit %d, want 0", code)
	}
	collector = start(t, env, "collector") // from now on it needs no ClickHouse, neither while it runs nor when it starts
	collector.until(t, "/readyz", 200, "ready")
	if status, body := collector.ask(http.MethodPost, entries, `{"action_type":"kept"}`); status != 200 {
		t.Errorf("POST without ClickHouse: got %d %s, want 200", status, body)
	}
	e = start(t, append(env, "ENGINE_ADDR="+engine, "DATA_DIR="+data), "standalone", "--only=engine")
	for _, p := range []*process{consumer, query} {
		p.until(t, "/readyz", 200, "ready")
	}
	query.until(t, entries, 200, `"kept"`)
	for _, p := range []*process{collector, consumer, query, b, e} {
		if code := p.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("SIGTERM: %s: got exit %d, want 0", p.cmd.Path, code)
		}
	}
}

// confirm says that the log of the broker belongs to its tables, for tests of a collector without a consumer.
func confirm(t *testing.T, broker string) {
	t.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(broker), Transport: transport}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		state, err := schemakafka.BeginLog(t.Context(), client, "activity")
		if err == nil {
			err = schemakafka.ConfirmLog(t.Context(), client, "activity", state.Log.ID)
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("confirm the log: %v", err)
		}
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := free.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
