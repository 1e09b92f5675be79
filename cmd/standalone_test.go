package cmd_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The commands that standalone prints work as pasted, in a folder that has only bin/ and what they make.
func TestPrintedCommands(t *testing.T) {
	dir := checkout(t)
	p := startIn(t, dir, []string{"AUTH=keys"}, "bin/standalone")
	printed := p.said(t, regexp.MustCompile(`(?s)is ready at .*?\n\n(.*?)\n\nData`))
	out := ""
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(out, `"serial":"device-1"`) && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		out = paste(t, dir, printed)
	}
	if !strings.Contains(out, `"serial":"device-1"`) {
		t.Errorf("got %s of\n%s", out, printed)
	}
}

// standalone --only writes services.env, and the services that it prints start with it.
func TestPrintedServices(t *testing.T) {
	dir := checkout(t)
	broker, engine := freeAddr(t), freeAddr(t)
	// Two processes share the data folder: each keeps what the other has written.
	startIn(t, dir, []string{"ENGINE_ADDR=" + engine}, "bin/standalone", "--only", "engine").said(t, regexp.MustCompile(`(Start the services)`))
	p := startIn(t, dir, []string{"BROKER_ADDR=" + broker, "KAFKA_PASSWORD=hunter2"}, "bin/standalone", "--only", "broker")
	printed := p.said(t, regexp.MustCompile(`(?s)Start the services in another terminal:\n\n(.*?)\n\n`))
	services := map[string]*process{}
	for line := range strings.Lines(printed) {
		args := strings.Fields(strings.TrimSuffix(strings.TrimSpace(line), "&"))
		services[filepath.Base(args[0])] = startIn(t, dir, nil, args[0], args[1:]...)
	}
	if len(services) != 3 {
		t.Fatalf("it prints\n%s", printed)
	}
	for _, s := range services {
		s.until(t, "/readyz", 200, `"status":"ready"`)
	}
	if status, body := services["collector"].ask(http.MethodPost, entries, `{"action_type":"kept"}`); status != 200 {
		t.Errorf("POST: got %d %s", status, body)
	}
	services["query"].until(t, entries, 200, `"kept"`)
	for _, command := range []string{"topics", "migrate", "dead", "key list"} {
		if out := paste(t, dir, "bin/activityctl --env-file data/services.env "+command); strings.HasPrefix(out, "exit") {
			t.Errorf("%s: got %s", command, out)
		}
	}
	// What ran before is not kept once it has ended.
	text, err := os.ReadFile(filepath.Join(dir, "data", "services.env"))
	if err != nil || !strings.Contains(string(text), "CLICKHOUSE_DSN=http://default@"+engine) || !strings.Contains(string(text), "KAFKA_PASSWORD=hunter2") {
		t.Errorf("services.env: got %s, %v, want both dependencies", text, err)
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("SIGTERM: exit %d", code)
	}
}

// startIn is start in a folder.
func startIn(t *testing.T, dir string, env []string, name string, args ...string) *process {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p := &process{cmd: exec.Command(name, args...), log: log.Name(), ended: make(chan error, 1)}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = dir, clean(freePorts(env)), log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(p.kill)
	p.addr = p.said(t, regexp.MustCompile(`"msg":"listening".*"addr":"([^"]+)"`))
	return p
}

// Addresses and passwords of broker and engine act in every mode, and a taken address is named with its variable.
func TestAddressesActInEveryMode(t *testing.T) {
	broker, engine := freeAddr(t), freeAddr(t)
	data := "DATA_DIR=" + filepath.Join(t.TempDir(), "data")
	p := start(t, []string{data, "CLICKHOUSE_PASSWORD=secret", "KAFKA_PASSWORD=hunter2"}, "standalone", "--engine-addr="+engine, "--broker-addr="+broker)
	p.until(t, "/readyz", 200, `"status":"ready"`)
	req, err := http.NewRequest(http.MethodPost, "http://default:secret@"+engine+"/", strings.NewReader("SELECT 40+2"))
	if err != nil {
		t.Fatal(err)
	}
	if status, body, _ := p.do(req); status != 200 || strings.TrimSpace(body) != "42" {
		t.Errorf("the engine at ENGINE_ADDR: got %d %s", status, body)
	}
	env := []string{"KAFKA_BROKERS=" + broker, "KAFKA_SASL=plain", "KAFKA_USERNAME=activity", "KAFKA_PASSWORD=hunter2"}
	if out, code := run(t, env, "activityctl", "topics"); code != 0 {
		t.Errorf("the broker at BROKER_ADDR: got exit %d and %s", code, out)
	}
	for _, tt := range []struct{ variable, addr string }{{"BROKER_ADDR", broker}, {"ENGINE_ADDR", engine}, {"HTTP_ADDR", p.addr}} {
		env := []string{"DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "HTTP_ADDR=127.0.0.1:0"}
		if out, code := run(t, append(env, tt.variable+"="+tt.addr), "standalone"); code == 0 || !strings.Contains(out, tt.variable+": ") {
			t.Errorf("%s is taken: got exit %d and %s, want the variable", tt.variable, code, out)
		}
	}
}

// A copy of the data folder that was made under load is refused; one that was made after the process has ended has every entry.
func TestHotCopy(t *testing.T) {
	base := t.TempDir()
	data := filepath.Join(base, "data")
	p := start(t, []string{"DATA_DIR=" + data}, "standalone")
	p.until(t, "/readyz", 200, `"status":"ready"`)
	var written atomic.Int64
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			body := "[" + strings.Repeat(`{"action_type":"x","serial":"d"},`, 99) + `{"action_type":"x"}]`
			if status, _ := p.ask(http.MethodPost, entries, body); status == 200 {
				written.Add(100)
			}
		}
	}()
	time.Sleep(time.Second)
	hot := filepath.Join(base, "hot")
	if out, err := exec.CommandContext(t.Context(), "cp", "-r", data, hot).CombinedOutput(); err != nil {
		t.Logf("cp -r of a folder in use: %v, %s", err, out) // files may vanish meanwhile
	}
	close(stop)
	<-done
	if out, code := run(t, []string{"DATA_DIR=" + hot, "HTTP_ADDR=127.0.0.1:0"}, "standalone"); code != 69 || !strings.Contains(out, "copied while a process used the original") {
		t.Errorf("the hot copy: got exit %d and %s, want 69 and why", code, out)
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("SIGTERM: exit %d", code)
	}
	cold := filepath.Join(base, "cold")
	if out, err := exec.CommandContext(t.Context(), "cp", "-r", data, cold).CombinedOutput(); err != nil {
		t.Fatalf("cp -r: %v, %s", err, out)
	}
	p = start(t, []string{"DATA_DIR=" + cold}, "standalone")
	p.until(t, entries+"/count", 200, fmt.Sprintf(`{"count":%d}`, written.Load()))
	p.kill()
	p = start(t, []string{"DATA_DIR=" + cold}, "standalone") // after a crash, in its place
	p.until(t, entries+"/count", 200, fmt.Sprintf(`{"count":%d}`, written.Load()))
}

// checkout returns a folder that stands for the root of a checkout: with the binaries, and the engine's library.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cache, err := filepath.Abs("../.cache")
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"bin": bin, ".cache": cache} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// paste runs commands in a folder. The output begins with "exit" if one of them fails.
func paste(t *testing.T, dir, commands string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-e", "-c", "curl() { command curl -sS --fail-with-body \"$@\" && echo; }\n"+commands)
	cmd.Dir, cmd.Env = dir, clean(nil)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return err.Error() + ": " + string(out)
	}
	return string(out)
}
