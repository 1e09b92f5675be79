package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// npm and uname as a Mac has them: npm writes down what it was asked, and makes the files that the real one would.
const (
	macUname = `#!/bin/sh
[ "$1" = -s ] && echo Darwin || echo arm64
`
	macNPM = `#!/bin/sh
echo "$1 $2" >>"$NPM_CALLS"
case "$1" in
install) echo '{"packages": {"node_modules/@chdb/lib-darwin-arm64": {"version": "26.5.3", "integrity": "sha512-x"}}}' >package-lock.json ;;
ci) [ -s package-lock.json ] && mkdir -p node_modules/@chdb/lib-darwin-arm64 && echo library >node_modules/@chdb/lib-darwin-arm64/libchdb.so ;;
esac
`
)

// Where no hash is committed, the library is fetched without anything to type, and its hash is kept for the next time.
func TestFetchRecordsTheHashOfAnotherPlatform(t *testing.T) {
	root := t.TempDir()
	here := filepath.Join(root, "deploy/embedded/engine")
	script, err := os.ReadFile("fetch.sh")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		filepath.Join(here, "fetch.sh"): string(script), filepath.Join(root, "bin/uname"): macUname, filepath.Join(root, "bin/npm"): macNPM,
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	calls := filepath.Join(root, "calls")
	fetch := func() (said, npm string) {
		t.Helper()
		_ = os.Remove(calls)
		cmd := exec.CommandContext(t.Context(), filepath.Join(here, "fetch.sh"))
		cmd.Env = append(os.Environ(), "PATH="+filepath.Join(root, "bin")+":"+os.Getenv("PATH"), "NPM_CALLS="+calls, "CHDB_LIB_PATH=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("fetch.sh: %v\n%s", err, out)
		}
		asked, _ := os.ReadFile(calls)
		return string(out), string(asked)
	}
	library := filepath.Join(root, ".cache/chdb/darwin-arm64/libchdb.so")

	said, npm := fetch()
	if !strings.Contains(said, "no hash of @chdb/lib-darwin-arm64 26.5.3 is committed") || npm != "install --package-lock-only\nci --omit-lockfile-registry-resolved\n" {
		t.Errorf("the first time: said %q, npm %q", said, npm)
	}
	if b, err := os.ReadFile(library); err != nil || string(b) != "library\n" {
		t.Errorf("library: %q, %v", b, err)
	}
	if said, npm := fetch(); said != "" || npm != "" {
		t.Errorf("with the library there: said %q, npm %q, want nothing", said, npm)
	}
	if err := os.Remove(library); err != nil {
		t.Fatal(err)
	}
	if said, npm := fetch(); strings.Contains(said, "is committed") || npm != "ci --omit-lockfile-registry-resolved\n" {
		t.Errorf("fetched again: said %q, npm %q, want the hash of the first time", said, npm)
	}
}
