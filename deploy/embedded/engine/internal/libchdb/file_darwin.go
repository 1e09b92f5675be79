package libchdb

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	libcName       = "/usr/lib/libSystem.B.dylib"
	descriptorPath = "/dev/fd/%d"
)

// NewFile makes an empty file in folder.
func NewFile(folder string) (*File, error) {
	f, err := os.CreateTemp(folder, "insert-*")
	if err != nil {
		return nil, fmt.Errorf("make a file for the data: %w", err)
	}
	return &File{File: f, temporary: true}, nil
}

// replace makes the descriptor old mean the file that descriptor is open on.
func replace(descriptor, old int) error { return unix.Dup2(descriptor, old) }
