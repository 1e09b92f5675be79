// Package folder has what the embedded broker and the embedded engine share about their data folders: a lock that gives a folder to one
// process and detects copies of a folder in use, a password that is kept in the folder, and the free space of its disk with the reserve
// that stays free.
package folder

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Password is the password that is kept in dir. The first time it is made at random, and dir with it.
func Password(dir string) (string, error) { return PasswordOf(dir, "password") }

// PasswordOf is Password for one of several, in a file of its own.
func PasswordOf(dir, file string) (string, error) {
	path := filepath.Join(dir, file)
	text, err := os.ReadFile(path)
	if err == nil && len(text) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read password: %w", err)
	}
	made := rand.Text()
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(path, []byte(made+"\n"), 0o600)); err != nil {
		return "", fmt.Errorf("store password: %w", err)
	}
	return made, nil
}

// Space returns how many bytes unprivileged processes may still write to dir's file system, and its size in bytes.
func Space(dir string) (free, total int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0, fmt.Errorf("read free space of %s: %w", dir, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil
}

// DefaultReserve is how many bytes of a disk of total bytes stay free where nothing else is configured: 5 %, at most 2 GB.
func DefaultReserve(total int64) int64 { return min(total/20, 2e9) }

// CheckReserve returns an error while free is less than the reserve, all in bytes. A reserve of 0 stands for DefaultReserve.
func CheckReserve(free, total, reserve int64) error {
	if reserve == 0 {
		reserve = DefaultReserve(total)
	}
	if free < reserve {
		return fmt.Errorf("disk is full: %d MB free, %d MB are kept in reserve", free/1e6, reserve/1e6)
	}
	return nil
}
