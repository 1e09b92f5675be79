package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// A shell that has loaded its script completes commands, flags, their values, files, and values that are stored. What somebody
// stored to harm who completes it is not offered.
func TestCompletionInShells(t *testing.T) {
	t.Parallel()
	p := standalone(t)
	for _, action := range []string{"unusual_action", "unusual;id", "unusual$(id)", "unusual`id`", "unusual\\u001b[2J", "-unusual", "unusual\\nid"} {
		p.write(t, "/api/v1/activity-logs", `{"action":"`+action+`"}`)
	}
	for shell, begin := range map[string][]string{
		"bash": {"--noprofile", "--norc", "-i"}, "zsh": {"-f", "-i"}, "fish": {"--no-config", "-i"},
	} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(shell)
			needs(t, err == nil, shell+" (Debian package "+shell+")")
			home := t.TempDir()
			if err := os.WriteFile(filepath.Join(home, "something.env"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			s := inSession(t, []string{"HOME=" + home, "TERM=xterm", "PS1=$ ", "QUERY_URL=http://" + p.addr}, 200, 50, path, begin...)
			load := map[string]string{
				"bash": "source <(activityctl completion bash)", "zsh": "autoload -Uz compinit && compinit -u -D && source <(activityctl completion zsh)",
				"fish": "activityctl completion fish | source",
			}[shell]
			s.press(t, "export PATH=\""+bin+":$PATH\"\rcd "+home+"\r"+load+"\recho LOA''DED\r")
			s.prints(t, `LOADED`)
			for typed, want := range map[string]string{
				"exp\t--form\tcs\t":             "export --format csv",
				"export --format=parq\t":        "export --format=parquet",
				"key cre\t--role An\t":          "key create --role Analyst",
				"key create --scope read,ing\t": "key create --scope read,ingest",
				"tail --color nev\t":            "tail --color never",
				"completion fi\t":               "completion fish",
				"dead --env-file some\t":        "dead --env-file something.env",
				"list --action unus\t":          "list --action unusual_action",
			} {
				s.completes(t, typed, "RESULT: activityctl "+regexp.QuoteMeta(want)+" ?\r?\n")
			}
		})
	}
}

// completes types the rest of a command line and has the shell print what it has become. On a busy machine a service may answer too
// late for somebody who types; then it is typed again.
func (s *session) completes(t *testing.T, typed, want string) {
	t.Helper()
	printed := regexp.MustCompile("RESULT: activityctl .*\r?\n") // what is typed has quotes in it
	for try := 1; ; try++ {
		before := len(printed.FindAllString(s.grid.Raw(), -1))
		s.press(t, "activityctl "+typed+"\x01echo RES''ULT: \r")
		deadline := time.Now().Add(30 * time.Second)
		for len(printed.FindAllString(s.grid.Raw(), -1)) == before && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
		raw := s.grid.Raw()
		switch {
		case regexp.MustCompile(want).MatchString(raw):
			return
		case try == 5 || time.Now().After(deadline):
			t.Fatalf("%q: want %s, got %q", typed, want, raw[max(len(raw)-2000, 0):])
		}
	}
}

// prints waits until a line was printed that was not typed: what is typed has quotes in it.
func (s *session) prints(t *testing.T, pattern string) {
	t.Helper()
	line := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(20 * time.Second); !line.MatchString(s.grid.Raw()); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			raw := s.grid.Raw()
			t.Fatalf("want %s, got %q", pattern, raw[max(len(raw)-2000, 0):])
		}
	}
}
