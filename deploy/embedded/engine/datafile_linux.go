package engine

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// descriptor names an open file of this process so that the engine can open it.
const descriptor = "/proc/self/fd/%d"

// dataFile holds an INSERT's data in memory under a name that the engine can open.
type dataFile struct{ *os.File }

func newDataFile(string) (*dataFile, error) {
	fd, err := unix.MemfdCreate("insert", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	return &dataFile{os.NewFile(uintptr(fd), "insert")}, nil
}

func (f *dataFile) path() string { return fmt.Sprintf(descriptor, f.Fd()) }

func (f *dataFile) close() { _ = f.Close() }
