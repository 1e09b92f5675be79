package cmd_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// installation is a standalone with API keys, behind a proxy that can be cut off.
type installation struct {
	*process
	url        string
	admin      []string // the environment of an administrator, and of somebody who may read but not count
	reader     []string
	away       atomic.Bool
	proxy      *httptest.Server
	services   string // file
	adminToken string
	sent       int
}

func peoplesInstallation(t *testing.T) *installation {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	in := &installation{process: start(t, []string{"DATA_DIR=" + data, "AUTH=keys"}, "standalone"), services: filepath.Join(data, "services.env")}
	in.until(t, "/readyz", 200, `"status":"ready"`)
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", in.addr }, FlushInterval: -1}
	forward.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	in.proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if in.away.Load() {
			panic(http.ErrAbortHandler)
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(in.proxy.Close)
	in.url = "QUERY_URL=" + in.proxy.URL
	in.admin, in.adminToken = in.as(t, "ADMIN", "\x1b[2J admin \u202e")
	in.reader, _ = in.as(t, "AccessAdmin", strings.Repeat("日本", 40))
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, code := run(t, in.admin, "activityctl", "count"); code == 0 {
			return in
		}
		if time.Now().After(deadline) {
			t.Fatal("the key does not take effect")
		}
	}
}

// as creates a key, and returns the environment that has it.
func (in *installation) as(t *testing.T, role, name string) (env []string, token string) {
	t.Helper()
	out, code := run(t, nil, "activityctl", "--env-file", in.services, "key", "create", "--tenant=default", "--role="+role, "--name="+name, "--json")
	var key struct{ Key string }
	if err := json.Unmarshal([]byte(out), &key); err != nil || code != 0 {
		t.Fatalf("key create: exit %d, %s", code, out)
	}
	return []string{in.url, "QUERY_TOKEN=" + key.Key}, key.Key
}

// send writes n entries of a hostile sender, and returns when they are stored.
func (in *installation) send(t *testing.T, n int, action string) {
	t.Helper()
	var entries []map[string]any
	for i := range n {
		entries = append(entries, map[string]any{
			"action": action, "username": "eve\u202e\x1b[31m", "platform": "ios", "serial": fmt.Sprintf("SN-%d 日本語👩\u200d👧", i),
			"detail": "title \x1b]0;owned\a \u009b2J" + strings.Repeat("long ", 30),
		})
	}
	body, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	req := mustRequest(t, http.MethodPost, "http://"+in.addr+"/api/v1/activity-logs/batch", string(body))
	req.Header.Set("Authorization", "Bearer "+in.adminToken)
	if status, answer, _ := in.do(req); status != http.StatusOK {
		t.Fatalf("write: %d %s", status, answer)
	}
	in.sent += n
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, _ := run(t, []string{"QUERY_URL=http://" + in.addr, "QUERY_TOKEN=" + in.adminToken}, "activityctl", "count")
		if strings.TrimSpace(out) == strconv.Itoa(in.sent) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("stored: %s, want %d entries", out, in.sent)
		}
	}
}

const hostile = "pay\x1b[2J\u202e日本"

// People at a terminal: tables fit, nothing of an entry controls the terminal, and top shows what happens until it is told to end.
func TestPeopleAtATerminal(t *testing.T) {
	t.Parallel()
	in := peoplesInstallation(t)
	in.send(t, 40, hostile)
	t.Run("tables", func(t *testing.T) { tablesFit(t, in) })
	t.Run("export", func(t *testing.T) { exportShowsProgress(t, in) })
	t.Run("top", func(t *testing.T) { topLives(t, in) })
	t.Run("top for programs", func(t *testing.T) { topForPrograms(t, in) })
	t.Run("tail", func(t *testing.T) { tailInColours(t, in) })
}

func tablesFit(t *testing.T, in *installation) {
	for _, columns := range []int{40, 80} {
		for _, args := range []string{
			"list", "list --json --limit 2", "count --by action", "count --by device", "count --by username --json", "top --once --every 100ms", "key list --env-file " + in.services, "dead --env-file " + in.services,
			"adopt --env-file " + in.services, "export",
		} {
			shown, code := inSession(t, in.admin, columns, 24, "activityctl", strings.Fields(args)...).end(t)
			if code != 0 {
				t.Errorf("%s: exit %d: %s", args, code, shown)
			}
			width := columns
			if strings.Contains(args, "json") || args == "export" {
				width = 1 << 20 // JSON is not cut
			}
			checkShown(t, fmt.Sprint(args, " in ", width), shown, width)
			if !strings.HasPrefix(args, "adopt") && !strings.HasPrefix(args, "dead") && !strings.HasPrefix(args, "key") && !strings.Contains(shown, "日本") && !strings.Contains(shown, "eve·") && !strings.Contains(shown, "pay·") {
				t.Errorf("%s in %d columns shows no entry: %s", args, columns, shown)
			}
		}
	}
	for _, tt := range []struct {
		args   string
		env    string
		colour bool
	}{{"list", "", true}, {"list", "NO_COLOR=1", false}, {"list --color always", "NO_COLOR=1", true}, {"list --color never", "", false}, {"count --by action", "TERM=dumb", false}} {
		shown, _ := inSession(t, append(in.admin, tt.env), 80, 24, "activityctl", strings.Fields(tt.args)...).end(t)
		if got := style.MatchString(shown); got != tt.colour {
			t.Errorf("%s with %s: colours: got %v: %q", tt.args, tt.env, got, shown)
		}
		if out, code := run(t, append(in.admin, tt.env), "activityctl", strings.Fields(tt.args)...); code != 0 || style.MatchString(out) != (tt.args == "list --color always") || strings.Contains(out, "\t") {
			t.Errorf("%s into a pipe: got exit %d, %q", tt.args, code, out)
		}
	}
}

func exportShowsProgress(t *testing.T, in *installation) {
	file := filepath.Join(t.TempDir(), "entries")
	shown, code := inSession(t, in.admin, 80, 24, "activityctl", "export", "--out", file).end(t)
	if code != 0 || !strings.Contains(shown, "100 %") || !strings.Contains(shown, "40 of 40 entries") || !strings.Contains(shown, "kB") {
		t.Errorf("got exit %d and %q, want entries and bytes", code, shown)
	}
	for line := range strings.FieldsFuncSeq(shown, func(r rune) bool { return r == '\r' || r == '\n' }) {
		checkShown(t, "export", strings.ReplaceAll(line, "\x1b[K", ""), 80)
	}
	if out, code := run(t, in.admin, "activityctl", "export", "--out", file+"2"); code != 0 || strings.ContainsAny(out, "\r%") {
		t.Errorf("without a terminal: got exit %d and %q, want no progress", code, out)
	}
}

func topLives(t *testing.T, in *installation) {
	s := inSession(t, in.admin, 80, 24, "activityctl", "top", "--every=100ms")
	s.until(t, "● ready")
	s.until(t, "tenant default")
	s.until(t, "pay·[2J·日本")
	s.until(t, "SN-0 日本語👩👧")
	in.send(t, 60, "login")
	s.until(t, "login")
	for _, size := range [][2]int{{40, 15}, {120, 40}, {20, 5}, {80, 24}} {
		s.resize(t, size[0], size[1])
		if size[1] < 6 {
			s.until(t, "The window")
			continue
		}
		for deadline := time.Now().Add(10 * time.Second); !filled(s.grid.Text(), size[1]); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%v: the window is not filled:\n%s", size, s.grid.Text())
			}
		}
		s.grid.Faults() // of frames that were on their way when the size changed
		time.Sleep(300 * time.Millisecond)
		checkFrames(t, s)
	}
	s.press(t, "\x1b[B")
	s.until(t, "ACTION, last hour")
	s.press(t, "\x1b[C")
	s.until(t, "ACTOR, last hour")
	s.until(t, "eve··[31m")
	in.away.Store(true)
	in.proxy.CloseClientConnections()
	s.until(t, "unreachable for")
	in.away.Store(false)
	s.until(t, "● ready")
	s.press(t, "p")
	s.until(t, "paused")
	s.press(t, "p")
	s.until(t, "● ready")
	checkFrames(t, s)
	s.press(t, "q")
	raw, code := s.end(t)
	if code != 0 || !strings.HasSuffix(raw, "\x1b[?1049l\x1b[0m") || strings.Contains(raw, "\x1b]0;") || strings.Contains(raw, "\x1b[2J\u202e") {
		t.Errorf("q: exit %d, the end is %q", code, raw[max(len(raw)-80, 0):])
	}
	for name, end := range map[string]func(*session){
		"Ctrl-C":  func(s *session) { s.press(t, "\x03") },
		"SIGTERM": func(s *session) { _ = s.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGINT":  func(s *session) { _ = s.cmd.Process.Signal(syscall.SIGINT) },
	} {
		s := inSession(t, in.admin, 80, 24, "activityctl", "top", "--color=never")
		s.until(t, "● ready")
		end(s)
		if raw, code := s.end(t); code != 0 || !strings.HasSuffix(raw, "\x1b[?1049l\x1b[0m") {
			t.Errorf("%s: exit %d, the end is %q", name, code, raw[max(len(raw)-80, 0):])
		}
	}
	s = inSession(t, in.reader, 80, 24, "activityctl", "top", "--every=100ms") // may read the status, and may not count
	s.until(t, "● ready")
	s.until(t, "needs the role")
	s.press(t, "q")
	if _, code := s.end(t); code != 0 {
		t.Errorf("a reader: exit %d", code)
	}
}

// checkFrames finds what should not have been drawn since the last check.
func checkFrames(t *testing.T, s *session) {
	t.Helper()
	if faults := s.grid.Faults(); len(faults) > 0 {
		t.Errorf("on the screen: %q", faults[:min(len(faults), 5)])
	}
}

// filled reports whether a frame fills the window: the first line says where, a ranking is shown, and the keys are in the last line.
func filled(screen string, rows int) bool {
	lines := strings.Split(screen, "\n")
	return strings.Contains(lines[0], "127.0.0.1") && strings.Contains(screen, "ACTION, last minute") && strings.HasPrefix(lines[rows-1], "q quit")
}

func topForPrograms(t *testing.T, in *installation) {
	out, code := run(t, in.admin, "activityctl", "top", "--json", "--every=100ms")
	var snapshot struct {
		Status          string
		Tenant          string
		StoredPerSecond *float64
		BehindRecords   *int64
		Partitions      []struct{ LagRecords int64 }
		Top             map[string][]struct {
			Value string
			Count int64
		}
	}
	if err := json.Unmarshal([]byte(out), &snapshot); err != nil || code != 0 {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	if snapshot.Status != "ready" || snapshot.Tenant != "default" || snapshot.StoredPerSecond == nil || snapshot.BehindRecords == nil || len(snapshot.Partitions) == 0 {
		t.Errorf("got %s", out)
	}
	if top := snapshot.Top["action"]; len(top) == 0 || top[0].Count < 40 {
		t.Errorf("actions: got %v", top)
	}
	if out, code := run(t, in.admin, "activityctl", "top", "--every=100ms"); code != 0 || strings.Contains(out, "\x1b") || !strings.Contains(out, "ACTION, last minute") {
		t.Errorf("into a pipe: got exit %d, %q", code, out)
	}
	if out, code := run(t, []string{in.url}, "activityctl", "top"); code != 1 || !strings.Contains(out, "QUERY_TOKEN") {
		t.Errorf("without a key: got exit %d, %s", code, out)
	}
	for _, args := range []string{"top --every 0s", "top --metrics nonsense", "top --window 5m", "list --limit 0", "count --top 0", "count --by colour"} {
		flag := strings.Fields(args)[1]
		if out, code := run(t, in.admin, "activityctl", strings.Fields(args)...); code != 2 && code != 78 || !strings.Contains(out, flag+": ") && !strings.Contains(out, flag+" must") {
			t.Errorf("%s: got exit %d, %s", args, code, out)
		}
	}
}

func tailInColours(t *testing.T, in *installation) {
	s := inSession(t, in.admin, 80, 24, "activityctl", "tail")
	in.until(t, "/metrics", 200, "activity_query_tails 1")
	in.send(t, 1, hostile)
	s.until(t, "SN-0 日本…")
	in.away.Store(true)
	in.proxy.CloseClientConnections()
	s.until(t, "stream interrupted at")
	in.send(t, 1, "meanwhile")
	in.away.Store(false)
	s.until(t, "nothing is missing")
	s.until(t, "meanwhile")
	s.press(t, "\x03")
	shown, code := s.end(t)
	if code != 0 || strings.Count(shown, "meanwhile") != 1 || !style.MatchString(shown) {
		t.Errorf("Ctrl-C: got exit %d and %q", code, shown)
	}
	shown, _, _ = strings.Cut(shown, "^C")
	checkShown(t, "tail", shown, 80)
}

// An empty value, a misspelt role and a value that the service refuses are named by their flags.
func TestFlagsAreNamed(t *testing.T) {
	t.Parallel()
	p := standalone(t)
	env := []string{"QUERY_URL=http://" + p.addr, "JWT_SECRET=" + jwtSecret}
	for args, says := range map[string]string{
		"export --serial=":              "--serial: must not be empty",
		"export --out=":                 "--out: must not be empty",
		"tail --action=":                "--action: must not be empty",
		"tail --after=":                 "--after: must not be empty",
		"list --tenant=":                "--tenant: must not be empty",
		"count --search=":               "--search: must not be empty",
		"export --start=X":              "--start: must be a time",
		"export --end=X":                "--end: must be a time",
		"list --start=2024-13-01":       "--start: must be a time",
		"tail --after=X":                "--after: must be the id of an event",
		"token --role=Admn":             `--role: unknown role "Admn"`,
		"token --role=ADMIN --role=own": "--force",
	} {
		out, code := run(t, env, "activityctl", strings.Fields(args)...)
		if code == 0 || !strings.Contains(out, says) || strings.Contains(out, "startDate") || strings.Contains(out, "Last-Event-ID") {
			t.Errorf("%s: got exit %d and %s, want %s", args, code, out, says)
		}
	}
	if out, code := run(t, env, "activityctl", "token", "--role=own", "--force"); code != 0 || !strings.HasPrefix(out, "ey") {
		t.Errorf("token --force: got exit %d and %s", code, out)
	}
	if _, err := os.Stat(".part"); err == nil {
		t.Error("a file was written")
	}
}
