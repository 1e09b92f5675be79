package top

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/cmd/internal/term/pty"
	"github.com/activitylog/activitylog/schema/api/client"
)

// failing answers until it is told to panic.
type failing struct{ now atomic.Bool }

func (f *failing) Do(r *http.Request) (*http.Response, error) {
	if f.now.Load() {
		panic("broken")
	}
	body := `{"status":"ready","checks":[],"data":{"tenant":"t"}}`
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// A panic, also beside the loop, gives the terminal back before its text appears.
func TestTerminalAfterAPanic(t *testing.T) {
	master, slave, err := pty.Open(80, 24)
	if err != nil {
		t.Fatal(err)
	}
	before, err := pty.Modes(slave)
	if err != nil {
		t.Fatal(err)
	}
	grid := pty.NewGrid(80, 24)
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(grid, master)
	}()
	f := &failing{}
	ask, err := client.NewClient("http://x", client.WithHTTPClient(f))
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{URL: "http://x", Ask: ask, Granted: func(r *http.Response, err error) (*http.Response, error) { return r, err }, Metrics: []*client.Client{ask}}
	time.AfterFunc(100*time.Millisecond, func() { f.now.Store(true) })
	err = Live(t.Context(), s, Options{Every: 20 * time.Millisecond, Window: time.Minute}, slave, slave, term.To(slave, term.Auto))
	if err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %v, want what broke", err)
	}
	if after, err := pty.Modes(slave); err != nil || after != before {
		t.Errorf("the terminal is left as %+v, %v", after, err)
	}
	_ = slave.Close()
	<-read
	_ = master.Close()
	if raw := grid.Raw(); !strings.HasSuffix(raw, "\x1b[?1049l\x1b[0m") || !strings.Contains(raw, "activitylog") {
		t.Errorf("got %q", raw[max(len(raw)-200, 0):])
	}
	pipe, other, err := pty.Open(80, 24)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	_ = other.Close()
	f.now.Store(false)
	if err := Live(t.Context(), s, Options{Every: time.Second}, other, other, term.Output{}); !errors.Is(err, term.ErrNoTerminal) {
		t.Errorf("without a terminal: got %v", err)
	}
}
