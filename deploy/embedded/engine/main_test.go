package engine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

const password = "p'w?&"

// readable is the database in which the user reader may read something, with readerPassword.
const (
	readable       = "readable"
	readerPassword = "r'w?&"
)

// child is set in a process that TestMain turns into a separate engine, which tests can kill. With again, the process first opens
// and closes that folder and another one.
const (
	child   = "ENGINE_TEST_FOLDER"
	again   = "ENGINE_TEST_AGAIN"
	reserve = "ENGINE_TEST_RESERVE" // bytes of disk space that the child keeps free
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(child); folder != "" {
		os.Exit(runChild(folder, os.Getenv(again)))
	}
	if err := rowsOnInput(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code := m.Run()
	if shared.engine != nil {
		shared.stop()
	}
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// rowsOnInput gives the tests' process a standard input with text that looks like rows.
func rowsOnInput() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	if _, err := w.WriteString("(7, 'from elsewhere')\n"); err != nil {
		return err
	}
	return errors.Join(w.Close(), unix.Dup2(int(r.Fd()), 0), r.Close())
}

func runChild(folder, other string) int {
	// The child ends on SIGINT, or when its parent closes the pipe on its original standard input.
	held, err := unix.Dup(0)
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	if other != "" {
		for _, folder := range []string{folder, other, other} {
			e, err := Open(context.Background(), Config{Addr: "127.0.0.1:0", DataDir: folder, Password: password})
			if err == nil {
				err = e.Close()
			}
			if err != nil {
				fmt.Println("error:", err)
				return 1
			}
		}
	}
	free, _ := strconv.ParseInt(os.Getenv(reserve), 10, 64)
	e, err := Open(context.Background(), Config{Addr: "127.0.0.1:0", DataDir: folder, Password: password, MaxMemory: 2 << 30, Reserve: free})
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println("address:", e.Addr())
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(uintptr(held), "standard input"))
		cancel()
	}()
	if err := e.Run(ctx); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

// startChild runs an engine in another process and returns its first line: its address, or the error.
func startChild(t *testing.T, folder string, env ...string) (cmd *exec.Cmd, line string) {
	t.Helper()
	cmd = exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(append(os.Environ(), child+"="+folder), env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("child %d: %v\n%s", cmd.Process.Pid, cmd.ProcessState, &said)
		}
	})
	line, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child said nothing: %v", err)
	}
	return cmd, strings.TrimSpace(line)
}

// shared is the only engine of this process.
var shared struct {
	sync.Once
	engine *Engine
	stop   func()
	err    error
}

// start returns the process's engine with a new database.
func start(t testing.TB) *client {
	t.Helper()
	shared.Do(func() {
		folder, err := os.MkdirTemp("", "engine-test-")
		if err != nil {
			shared.err = err
			return
		}
		shared.engine, shared.err = Open(t.Context(), Config{
			Addr: "127.0.0.1:0", DataDir: folder, Password: password, MaxMemory: 3 << 30, Connections: 2, QueueWait: 300 * time.Millisecond,
			Registerer: registry,
			Reader: Reader{Password: readerPassword, Connections: 1, QueueWait: time.Second, Grants: []string{
				"SELECT ON " + readable + ".open", "SELECT ON " + readable + ".seen", "SELECT ON " + readable + ".leaky", "SELECT(a) ON " + readable + ".half",
			}},
		})
		if shared.err != nil {
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- shared.engine.Run(ctx) }()
		shared.stop = func() {
			cancel()
			<-ended
			_ = os.RemoveAll(folder)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	c := &client{t: t, addr: shared.engine.Addr(), database: fmt.Sprintf("db%d", counter.Add(1))}
	c.want(http.StatusOK, "CREATE DATABASE "+c.database, nil, "database", "default")
	t.Cleanup(func() {
		c.do(http.MethodPost, "DROP DATABASE "+c.database, nil, "database", "default")
	})
	return c
}

var registry = prometheus.NewRegistry()

// client speaks ClickHouse's HTTP interface.
type client struct {
	t        testing.TB
	addr     string
	database string
}

type reply struct {
	status int
	header http.Header
	body   string
	broken bool // the body broke off
}

// do sends a statement with a body and URL parameters, as alternating names and values.
func (c *client) do(method, text string, body []byte, params ...string) reply {
	c.t.Helper()
	q := url.Values{"query": {text}, "database": {c.database}}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	return c.send(context.Background(), method, q, body, nil)
}

func (c *client) send(ctx context.Context, method string, q url.Values, body []byte, header http.Header) reply {
	c.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.addr+"/?"+q.Encode(), bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.SetBasicAuth("default", password)
	maps.Copy(req.Header, header)
	res, err := (&http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return reply{body: err.Error()}
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return reply{body: err.Error()}
	}
	return reply{status: res.StatusCode, header: res.Header, body: string(b), broken: err != nil}
}

// want sends a statement, expects the status, and returns the body without its last line break.
func (c *client) want(status int, text string, body []byte, params ...string) string {
	c.t.Helper()
	got := c.do(http.MethodPost, text, body, params...)
	if got.status != status {
		c.t.Fatalf("%s: got %d %s, want %d", text, got.status, got.body, status)
	}
	return strings.TrimSuffix(got.body, "\n")
}

// query runs a statement and compares its answer.
func (c *client) query(text, want string, params ...string) {
	c.t.Helper()
	if got := c.want(http.StatusOK, text, nil, params...); got != want {
		c.t.Errorf("%s: got %q, want %q", text, got, want)
	}
}
