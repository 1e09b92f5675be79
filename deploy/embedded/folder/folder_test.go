package folder

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestLock(t *testing.T) {
	dir := t.TempDir()
	lock, err := Lock(dir, "lock")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(dir, "lock")
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "held by process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("second lock: got %v, want %v and the holder", err, ErrLocked)
	}
	other, err := Lock(dir, "other.lock")
	if err != nil {
		t.Fatalf("a lock of another name: %v", err)
	}
	defer other.Close()
	if !InUse(dir, "lock") || InUse(dir, "missing") || InUse(filepath.Join(dir, "missing"), "lock") {
		t.Error("in use: want the one that is held")
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if InUse(dir, "lock") {
		t.Error("in use after it was closed")
	}
	lock, err = Lock(dir, "lock")
	if err != nil {
		t.Fatalf("after the holder has closed it: %v", err)
	}
	defer lock.Close()
	if _, err := Lock(filepath.Join(dir, "missing"), "lock"); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("in a missing folder: got %v, want another error than %v", err, ErrLocked)
	}
}

// A copy that was made while the folder was in use is refused, each time. Copies of a closed folder, a folder after a crash, a folder
// that was moved, and one of a version without the mark are good.
func TestCopies(t *testing.T) {
	base := t.TempDir()
	copyOf := func(from, to string) string {
		t.Helper()
		to = filepath.Join(base, to)
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		return to
	}
	take := func(dir string, want error) *Held {
		t.Helper()
		h, err := Lock(dir, "lock")
		if !errors.Is(err, want) {
			t.Fatalf("%s: got %v, want %v", dir, err, want)
		}
		return h
	}
	dir := filepath.Join(base, "original")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h := take(dir, nil)
	hot := copyOf(dir, "hot")
	for range 2 {
		take(hot, ErrCopied)
	}
	if err := h.Close(); err != nil { // as a crash does
		t.Fatal(err)
	}
	take(copyOf(dir, "after a crash"), ErrCopied) // it is unknown whether it was made before the crash
	moved := filepath.Join(base, "moved")
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if err := take(moved, nil).Release(); err != nil {
		t.Fatal(err)
	}
	cold := copyOf(moved, "cold")
	if err := take(cold, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if err := take(copyOf(moved, "cold again"), nil).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(hot, "lock")); err != nil { // as the error says
		t.Fatal(err)
	}
	if err := take(hot, nil).Close(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "123", "123\n", "nonsense\nnonsense\n", "123\nclosed"} {
		if err := os.WriteFile(filepath.Join(cold, "lock"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := take(cold, nil).Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPassword(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	made, err := Password(dir)
	if err != nil || len(made) < 26 { // 128 bits in base 32
		t.Fatalf("got %q, %v, want a password of 26 characters or more", made, err)
	}
	if again, err := Password(dir); err != nil || again != made {
		t.Errorf("the second time: got %q, %v, want %q", again, err, made)
	}
	info, err := os.Stat(filepath.Join(dir, "password"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file: got %v, %v, want 0600", info.Mode(), err)
	}
}

func TestReserve(t *testing.T) {
	free, total, err := Space(t.TempDir())
	if err != nil || free < 0 || total < free {
		t.Errorf("space: got %d of %d, %v", free, total, err)
	}
	for _, c := range []struct {
		free, total, reserve int64
		full                 bool
	}{
		{5e9, 1e12, 0, false}, {1.9e9, 1e12, 0, true}, // 2 GB
		{51e6, 1e9, 0, false}, {49e6, 1e9, 0, true}, // 5 %
		{7, 1e9, 7, false}, {6, 1e9, 7, true},
	} {
		if err := CheckReserve(c.free, c.total, c.reserve); (err != nil) != c.full {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}
