package cmd_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// activityctl prints each entry once, in order, although its connection breaks, until SIGTERM.
func TestTail(t *testing.T) {
	t.Parallel()
	p := standalone(t)
	through := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: p.addr})
	through.FlushInterval = -1
	server := httptest.NewServer(through)
	t.Cleanup(server.Close)
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "activityctl"), "tail", "--url="+server.URL, "--serial=d")
	cmd.Env, cmd.Stdout, cmd.Stderr = clean(nil), out, t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	written := 0
	write := func() {
		t.Helper()
		p.write(t, "/api/v1/activity-logs", fmt.Sprintf(`{"action":"a%d","serial":"d"}`, written))
		written++
	}
	// How many of the first entries it prints depends on when it connected.
	var first []string
	for deadline := time.Now().Add(30 * time.Second); len(first) == 0; first = actionsIn(t, out.Name()) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is printed")
		}
		write()
	}
	server.CloseClientConnections()
	for range 3 {
		write()
	}
	last := fmt.Sprintf("a%d", written-1)
	got := first
	for deadline := time.Now().Add(30 * time.Second); got[len(got)-1] != last && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		got = actionsIn(t, out.Name())
	}
	var want []string
	for n := written - len(got); n < written; n++ {
		want = append(want, fmt.Sprintf("a%d", n))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") || got[0] != first[0] {
		t.Errorf("got %v, want all from %s to %s", got, first[0], last)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v, want exit 0", err)
	}
	if out, code := run(t, nil, "activityctl", "tail", "--url=http://"+p.addr, "--after=nonsense"); code != 1 || !strings.Contains(out, "--after") {
		t.Errorf("an id that is none: got exit %d and %s, want 1 and why", code, out)
	}
}

// actionsIn returns the actions of the entries in a file, one per line. The last line may still be on its way.
func actionsIn(t *testing.T, file string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		var entry struct{ Action string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, entry.Action)
	}
	return all
}

// activityctl prints each entry once, also while the service restarts.
func TestTailOutlivesTheService(t *testing.T) {
	t.Parallel()
	data := "DATA_DIR=" + filepath.Join(t.TempDir(), "data")
	again := func() *process {
		p := start(t, []string{data}, "standalone")
		p.until(t, "/readyz", 200, `"status":"ready"`)
		return p
	}
	p := again()
	var at atomic.Value // the address of the service
	at.Store(p.addr)
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = "http", at.Load().(string)
	}, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)})
	t.Cleanup(front.Close)
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "activityctl"), "tail", "--url="+front.URL, "--action=a")
	cmd.Env = clean(nil)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // else the test would wait forever for a missing line
	defer late.Stop()
	next := func(want string) {
		t.Helper()
		var it struct{ Serial string }
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &it) != nil || it.Serial != want {
			t.Fatalf("got %q, %v, want the entry of %s", lines.Text(), lines.Err(), want)
		}
	}
	post := func(p *process, serials ...string) {
		t.Helper()
		for _, serial := range serials {
			for _, action := range []string{"a", "b"} {
				if status, answer, _ := p.do(mustRequest(t, http.MethodPost, "http://"+p.addr+"/api/v1/activity-logs", `{"action":"`+action+`","serial":"`+serial+`"}`)); status != http.StatusCreated {
					t.Fatalf("write: %d %s", status, answer)
				}
			}
		}
	}
	p.until(t, "/metrics", 200, "activity_query_tails 1")
	post(p, "d1", "d2")
	next("d1")
	next("d2")
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("the service, ended beside a tail: exit %d", code)
	}
	p = again()
	post(p, "d3")
	at.Store(p.addr)
	next("d3")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
}
