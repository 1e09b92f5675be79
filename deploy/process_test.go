package deploy_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	free "github.com/activitylog/activitylog/cmd/loadgen/process"
)

// binaries is the folder with the built commands, shared by all tests.
var binaries string

func TestMain(m *testing.M) {
	binaries = must(os.MkdirTemp("", "activitylog-bin-"))
	code := m.Run()
	_ = os.RemoveAll(binaries)
	os.Exit(code)
}

// build builds the commands of the image, once.
var build = sync.OnceValues(func() ([]byte, error) {
	cmd := exec.Command("go", "build", "-o", binaries, "./cmd/collector", "./cmd/consumer", "./cmd/query", "./cmd/activityctl")
	cmd.Dir = root
	return cmd.CombinedOutput()
})

func binary(t *testing.T, name string) string {
	t.Helper()
	if out, err := build(); err != nil {
		t.Fatalf("build the commands: %v\n%s", err, out)
	}
	return filepath.Join(binaries, name)
}

// installed returns the path of a program from the Debian package pkg. Without it, the test is skipped, except in CI, which installs it.
func installed(t *testing.T, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed (Debian package %s)", program, pkg)
	}
	t.Skipf("%s is not installed (Debian package %s)", program, pkg)
	return ""
}

// process is a running program of the system under test.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	output *bytes.Buffer
	ended  chan error
}

// start runs path with exactly the variables of env. When the test ends, the process gets SIGTERM and must end cleanly.
func start(t *testing.T, env []string, path string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: filepath.Base(path), output: &bytes.Buffer{}, ended: make(chan error, 1)}
	p.cmd = exec.Command(path, args...)
	p.cmd.Env, p.cmd.Dir = env, t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(p.stop)
	return p
}

// stop sends SIGTERM and waits for the process to end. A second call does nothing.
func (p *process) stop() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Errorf("%s: %v after SIGTERM; it said:\n%s", p.name, err, p.output)
		}
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		p.t.Errorf("%s: still there 15 s after SIGTERM; it said:\n%s", p.name, <-p.ended)
	}
	p.cmd = nil
}

// ready waits until the image's health check succeeds for the service on port.
func (p *process) ready(port string) {
	p.t.Helper()
	var out []byte
	var err error
	for range 150 {
		out, err = exec.CommandContext(p.t.Context(), filepath.Join("docker", "ready"), port).CombinedOutput()
		if err == nil {
			return
		}
		select {
		case err := <-p.ended:
			p.ended <- err
			p.t.Fatalf("%s ended: %v; it said:\n%s", p.name, err, p.output)
		case <-time.After(100 * time.Millisecond):
		}
	}
	p.t.Fatalf("%s is not ready: %v %s", p.name, err, out)
}

// run runs path and returns its output.
func run(ctx context.Context, env []string, path string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// environment returns the environment of a service in the compose file, with the addresses of the test instead of the file's, plus set.
func environment(s types.ServiceConfig, addresses *strings.Replacer, set map[string]string) []string {
	var env []string
	for key, value := range s.Environment {
		if _, ok := set[key]; !ok && value != nil {
			env = append(env, key+"="+addresses.Replace(*value))
		}
	}
	for key, value := range set {
		env = append(env, key+"="+value)
	}
	return env
}

// freePort returns a port on loopback that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	addr, err := free.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(addr, ":")
	return port
}
