package libchdb

import (
	"fmt"
	"os"
)

// File is data with a name that the engine can open: in memory on Linux, a temporary file elsewhere.
type File struct {
	*os.File
	temporary bool
}

// Path returns the name under which the engine opens the file.
func (f *File) Path() string {
	if f.temporary {
		return f.Name()
	}
	return Descriptor(f.File)
}

// Discard closes the file, and removes it if it is on disk.
func (f *File) Discard() {
	_ = f.Close()
	if f.temporary {
		_ = os.Remove(f.Name())
	}
}

// Descriptor names an open file or pipe of this process so that the engine can open it.
func Descriptor(f *os.File) string { return fmt.Sprintf(descriptorPath, f.Fd()) }
