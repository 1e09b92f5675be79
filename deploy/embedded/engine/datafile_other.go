//go:build !linux

package engine

import (
	"fmt"
	"os"
)

// descriptor names an open file of this process so that the engine can open it.
const descriptor = "/dev/fd/%d"

// dataFile holds an INSERT's data under a name that the engine can open.
type dataFile struct{ *os.File }

func newDataFile(folder string) (*dataFile, error) {
	f, err := os.CreateTemp(folder, "insert-*")
	if err != nil {
		return nil, fmt.Errorf("make a file for the data: %w", err)
	}
	return &dataFile{f}, nil
}

func (f *dataFile) path() string { return f.Name() }

func (f *dataFile) close() {
	_ = f.Close()
	_ = os.Remove(f.Name())
}
