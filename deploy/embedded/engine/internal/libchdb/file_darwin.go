package libchdb

import (
	"fmt"
	"os"
)

const (
	libcName       = "/usr/lib/libSystem.B.dylib"
	descriptorPath = "/dev/fd/%d"
)

// NewFile creates an empty file in folder.
func NewFile(folder string) (*File, error) {
	f, err := os.CreateTemp(folder, "insert-*")
	if err != nil {
		return nil, fmt.Errorf("make a file for the data: %w", err)
	}
	return &File{File: f, temporary: true}, nil
}
