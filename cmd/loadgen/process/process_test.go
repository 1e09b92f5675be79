package process

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func shell(t *testing.T, script string) *Process {
	p := New(Spec{Name: "shell", Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"GREETING=hello"}, Log: filepath.Join(t.TempDir(), "log")})
	t.Cleanup(p.Kill)
	return p
}

func TestProcessLivesAgain(t *testing.T) {
	p := shell(t, `echo $GREETING; trap 'exit 0' TERM; while :; do sleep 0.01; done`)
	for life := 1; life <= 2; life++ {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		if err := p.Start(); err == nil {
			t.Error("a running process was started again")
		}
		if !p.Running() {
			t.Error("it does not run after Start")
		}
		p.Kill()
		if p.Running() || p.Signal(syscall.SIGCONT) == nil {
			t.Error("it runs after Kill")
		}
	}
	log, err := os.ReadFile(p.Log)
	if err != nil || strings.Count(string(log), "life") != 2 {
		t.Errorf("log = %q, %v", log, err)
	}
}

func TestStopReportsTheExit(t *testing.T) {
	for _, c := range []struct {
		script string
		fails  bool
	}{
		{`trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done`, false},
		{`trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done`, true},
		{`trap '' TERM; echo up; while :; do sleep 0.01; done`, true},
	} {
		p := shell(t, c.script)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		awaitLog(t, p, "up")
		if err := p.Stop(300 * time.Millisecond); (err != nil) != c.fails {
			t.Errorf("Stop of %q = %v", c.script, err)
		}
	}
}

func awaitLog(t *testing.T, p *Process, text string) {
	t.Helper()
	for range 1000 {
		if log, _ := os.ReadFile(p.Log); strings.Contains(string(log), "\n"+text) {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("%s never printed %q", p.Name, text)
}

func TestUsageOutlivesTheProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // there is no /proc to read
	}
	p := shell(t, `i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; echo done; while :; do sleep 1; done`)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	awaitLog(t, p, "done")
	alive := p.Usage()
	p.Kill()
	dead := p.Usage()
	if alive.CPU <= 0 || alive.Peak <= 0 || dead.CPU < alive.CPU-tick || dead.Peak <= 0 {
		t.Errorf("usage alive %+v, dead %+v", alive, dead)
	}
}
