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
	if err := lock.Close(); err != nil {
		t.Fatal(err)
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
