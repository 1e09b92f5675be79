package libchdb

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	libcName       = "libc.so.6"
	descriptorPath = "/proc/self/fd/%d"
)

// NewFile creates an empty file in memory; it does not use the folder.
func NewFile(string) (*File, error) {
	fd, err := unix.MemfdCreate("insert", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	return &File{File: os.NewFile(uintptr(fd), "insert")}, nil
}
