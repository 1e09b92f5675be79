package engine

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// dataFile holds an INSERT's data in memory under a name that the engine can open.
type dataFile struct{ *os.File }

func newDataFile(string) (*dataFile, error) {
	fd, err := unix.MemfdCreate("insert", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	return &dataFile{os.NewFile(uintptr(fd), "insert")}, nil
}

func (f *dataFile) path() string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

func (f *dataFile) close() { _ = f.Close() }
