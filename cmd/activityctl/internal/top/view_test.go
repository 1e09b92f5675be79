package top

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/schema/api/client"
)

// busy is a board with everything that it can show, and with values of a hostile sender.
func busy() *board {
	b := newBoard("http://logs.example:50809/")
	begin := time.Date(2024, 3, 15, 10, 0, 0, 0, time.UTC)
	for i := range 200 {
		today, behind := int64(i*12_345), int64(i)
		b.add(sample{
			at: begin.Add(time.Duration(i) * time.Second), health: &health{Status: "ready"},
			status: &status{Tenant: "acme\x1b[5m", Kafka: true, ClickHouse: true, BehindRecords: &behind, ReceivedToday: &today},
			counters: &counters{
				collects: true, consumes: true, accepted: float64(i * 12_000), stored: float64(i * 12_000), failed: float64(i), lagSeconds: 0.26,
				partitions: []Partition{{0, 600, 0.1}, {1, 12_345, 0.25}, {11, 1, 0}},
			},
		})
	}
	for _, group := range groups {
		r := ranking{group: group, window: time.Minute, total: 1_000_000}
		for i := range 60 {
			r.counts = append(r.counts, Count{fmt.Sprintf("%s-%d\x1b[2J\u202e日本👩\u200d👧", group, i), int64(600_000 >> i)})
		}
		b.rank(r)
	}
	return b
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Every window is filled, and none overflows, whatever the values are.
func TestWindows(t *testing.T) {
	away := busy()
	away.add(sample{at: away.last().at.Add(time.Minute), failed: errors.New("dial tcp 127.0.0.1:1: connect: connection refused\n\x1b[31m")})
	waiting := newBoard("https://x")
	waiting.add(sample{at: time.Now(), health: &health{Status: "waiting", Checks: []check{{"kafka", false, "no \x1b]0;broker\a"}, {"clickhouse", false, strings.Repeat("long ", 90)}}}})
	refused := busy()
	refused.rank(ranking{group: "device", window: time.Minute, err: errors.New("403, request r: needs the role ADMIN")})
	for name, b := range map[string]*board{"busy": busy(), "away": away, "waiting": waiting, "refused": refused, "empty": newBoard("http://x")} {
		for columns := 1; columns <= 200; columns += 1 + columns/40*5 {
			for _, rows := range []int{1, 5, 6, 10, 15, 18, 24, 40, 100} {
				v := &view{board: b, out: term.Output{Width: columns, Color: true}, window: time.Minute, live: true}
				lines := v.lines(columns, rows)
				if len(lines) > rows {
					t.Errorf("%s in %d×%d: %d lines", name, columns, rows, len(lines))
				}
				for _, line := range lines {
					text := sgr.ReplaceAllString(line, "")
					if n := term.Columns(text); n > columns || strings.ContainsAny(text, "\x1b\a\n\u202e") {
						t.Fatalf("%s in %d×%d: %d columns: %q", name, columns, rows, n, line)
					}
				}
			}
		}
	}
}

func TestView(t *testing.T) {
	v := &view{board: busy(), window: time.Minute, live: true}
	text := strings.Join(v.lines(80, 24), "\n")
	for _, want := range []string{
		"activitylog  logs.example:50809  tenant acme·[5m", "● ready", "12,000/s", "199 records", ", oldest 0.3 s", "p1 12,345", "1.0/s failed", "ACTION, last minute",
		"DEVICE, last minute", "1,000,000", "600,000", "60 %", "q quit",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	v.window = time.Hour
	if text := strings.Join(v.lines(80, 24), "\n"); !strings.Contains(text, "counting") {
		t.Errorf("the values of another window are shown:\n%s", text)
	}
	v.first = 1
	if text := strings.Join(v.lines(40, 15), "\n"); !strings.Contains(text, "DEVICE, last hour") || strings.Contains(text, "ACTOR") {
		t.Errorf("a small window: got\n%s", text)
	}
}

func TestRates(t *testing.T) {
	b := newBoard("")
	begin := time.Now()
	add := func(after time.Duration, accepted float64) {
		b.add(sample{at: begin.Add(after), counters: &counters{collects: true, accepted: accepted}})
	}
	rate := func() float64 {
		if r := b.rate(accepted, len(b.samples)-1); r != nil {
			return *r
		}
		return -1
	}
	add(0, 100)
	if got := rate(); got != -1 {
		t.Errorf("after one sample: got %v, want none", got)
	}
	add(time.Second, 200)
	if got := rate(); got != 100 {
		t.Errorf("got %v, want 100", got)
	}
	add(5*time.Second, 600)
	if got := rate(); got != 100 {
		t.Errorf("over 3 s or more: got %v, want 100", got)
	}
	add(6*time.Second, 0) // the service began anew
	if got := rate(); got != -1 {
		t.Errorf("after a restart: got %v, want none", got)
	}
	b.add(sample{at: begin.Add(7 * time.Second)})
	if got := rate(); got != -1 {
		t.Errorf("without figures: got %v, want none", got)
	}
	for range 2 * keep {
		b.add(sample{})
	}
	if len(b.samples) != keep {
		t.Errorf("keeps %d samples", len(b.samples))
	}
}

func TestCounters(t *testing.T) {
	text, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	serve := func(status int, text []byte) *client.Client {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write(text)
		}))
		t.Cleanup(server.Close)
		c, err := client.NewClient(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	shown, hidden, broken := serve(200, text), serve(404, []byte("# not metrics")), serve(503, nil)
	gone, err := client.NewClient("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	c, err := (&Service{Metrics: []*client.Client{shown, hidden, shown}}).counters(t.Context())
	if err != nil || c == nil || c.accepted != 2*1500 || c.rejected != 2*3 || c.stored != 2*1400 || c.dead != 2*2 || c.refused != 2*4 || c.failed != 2*1 || c.lagSeconds != 1.5 {
		t.Fatalf("got %+v", c)
	}
	if want := []Partition{{0, 10, 0.5}, {1, 20, 1.5}}; fmt.Sprint(c.partitions) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", c.partitions, want)
	}
	for _, tt := range []struct {
		what string
		all  []*client.Client
		says string
	}{
		{"kept from us", []*client.Client{hidden}, ""},
		{"one is down", []*client.Client{shown, broken}, broken.Server + "metrics: status 503"},
		{"one does not answer", []*client.Client{gone, shown}, "http://127.0.0.1:1/metrics"},
	} {
		c, err := (&Service{Metrics: tt.all}).counters(t.Context())
		if c != nil || (err != nil) != (tt.says != "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %+v, %v, want none and %q", tt.what, c, err, tt.says)
		}
	}
}

// What consumers have stored and what was received today are two figures: the difference between them is no rate.
func TestAMissedAnswerIsNoRate(t *testing.T) {
	b, begin, today := newBoard(""), time.Now(), int64(5000)
	for i, stored := range []float64{2_000_000, -1, 2_000_100, 2_000_200} {
		s := sample{at: begin.Add(time.Duration(i) * time.Second), status: &status{ReceivedToday: &today}}
		if stored >= 0 {
			s.counters = &counters{consumes: true, stored: stored}
		}
		b.add(s)
		if r := b.rate(b.stored, i); r != nil && *r > 100 {
			t.Errorf("after %d s: got %v a second", i, *r)
		}
	}
}
